//! The environment, laid over what the file says.

use toml::{Table, Value};

use super::ConfigError;

/// What environment variables begin with: `GUESTLIST_DATA_DIR`, `GUESTLIST_HTTP__BIND`.
const PREFIX: &str = "GUESTLIST_";

/// Sets every key that a variable of this process names.
pub(super) fn overlay(table: &mut Table) -> Result<(), ConfigError> {
    for (name, value) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if let Some(key) = name.strip_prefix(PREFIX) {
            let named = value.to_str().and_then(|value| set(table, key, value));
            named.ok_or_else(|| ConfigError::Variable { name: name.clone().into_owned() })?;
        }
    }
    Ok(())
}

/// Sets the key that a variable names; `None` if it names none.
pub(super) fn set(table: &mut Table, key: &str, text: &str) -> Option<()> {
    let value = parse_value(text);
    let key = key.to_lowercase();
    match key.split_once("__") {
        Some((section, key)) => {
            let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            section.as_table_mut()?.insert(key.to_owned(), value);
        }
        None if key == "data_dir" => {
            // A directory may be called 2026.
            table.insert(key, Value::String(text.to_owned()));
        }
        None => return None,
    }
    Some(())
}

/// A value as TOML has it, or else as plain text.
fn parse_value(text: &str) -> Value {
    let line = format!("value = {text}").parse::<Table>().ok();
    line.and_then(|mut line| line.remove("value")).unwrap_or_else(|| Value::String(text.to_owned()))
}

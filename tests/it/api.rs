//! The page about the API is made from the lexicons, and is up to date.
//!
//! `GUESTLIST_BLESS=1 cargo test --test it api` writes it anew.

mod page;

pub(crate) use page::needs_token;

use std::path::Path;

use guestlist::records::lexicon::documents;

/// The variable that has the page written instead of compared.
const BLESS: &str = "GUESTLIST_BLESS";

#[test]
fn the_page_about_the_api_is_what_the_lexicons_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    let page = page::page(&documents());
    if std::env::var_os(BLESS).is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/api.md is stale: {BLESS}=1 cargo test --test it api writes it anew");
}

#[test]
fn every_method_every_field_and_every_error_is_on_the_page() {
    let page = page::page(&documents());
    let mut methods = 0;
    for (id, document) in documents() {
        let main = &document["defs"]["main"];
        if !page::is_method(main) {
            continue;
        }
        methods += 1;
        let (_, section) =
            page.split_once(&format!("\n## `{id}`\n")).unwrap_or_else(|| panic!("{id} is missing"));
        let section = section.split("\n## ").next().unwrap();
        let [parameters, input, output] =
            [&main["parameters"], &main["input"]["schema"], &main["output"]["schema"]];
        for fields in [parameters, input, output] {
            for name in fields["properties"].as_object().into_iter().flat_map(|fields| fields.keys()) {
                assert!(section.contains(&format!("| `{name}` |")), "{id}: {name}");
            }
        }
        assert_eq!(section.contains("\nA procedure"), main["type"] == "procedure", "{id}");
        assert_eq!(section.to_lowercase().contains("with a service token.\n"), needs_token(&id), "{id}");
        for error in main["errors"].as_array().into_iter().flatten() {
            assert!(section.contains(&format!("`{}`", error["name"].as_str().unwrap())), "{id}: {error}");
        }
    }
    assert!(methods > 30, "{methods}");
}

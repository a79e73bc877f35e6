//! From lexicon documents to a page for people.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use serde_json::Value;

/// What stands above the methods.
const HEAD: &str = "\
# The methods

<!-- Made from the files under lexicons/. Do not edit: `GUESTLIST_BLESS=1 cargo test --test it api` writes it anew. -->

A query is `GET /xrpc/<method>`, a procedure is `POST /xrpc/<method>` with a JSON object for a body; both answer with
JSON. The parameters of a query are those of an HTML form; one that the method does not know is ignored, and one that
it knows is given once unless it says otherwise. A field of a body that the method does not know is ignored too; an
optional one is left out, and never `null`. Numbers of `Unix ms` are milliseconds since 1970. Each schema is served at
`/lexicons/<nsid>`.

Every answer of a query is computed from one state of the store, which the header `guestlist-position` names: compare
it for equality only. `If-None-Match` with the `ETag` of an answer costs nothing while that state lasts; answers to
somebody who is known have none, and nobody on the way may keep them. A list goes on with its `cursor`; a page that has one may be short, or even empty, and whatever is there from the first page to the
last is in exactly one of them. `x-request-id` is the id of the request in the log.

A procedure is answered when what it did is on disk. If the answer is lost, the call can be repeated, and does nothing
twice; but `rsvp.atmo.space.invite.create` makes another invite, as only the lost answer had the token: list the
invites and revoke that one. And `rsvp.atmo.space.admin.createSpace` without a `key` makes another space.

An error is `{\"error\": name, \"message\": text}`, in the calendar methods with `error_description` beside. These may
come from any method; each has its own below.

| status | `error` | when |
|---|---|---|
| 400 | `InvalidRequest` | a parameter or a field is missing or malformed, a parameter is given twice, the body is no JSON, or a cursor is not from this query |
| 404 | `NotFound` | the path is none |
| 405 | `MethodNotAllowed` | a query with other than `GET` or `HEAD`, a procedure with other than `POST` |
| 408 | `RequestTimeout` | the body did not come within ten seconds |
| 413 | `PayloadTooLarge` | the request has a large body |
| 414, 431 | `UriTooLong`, `HeadersTooLarge` | the head of the request is beyond measure |
| 500 | `InternalServerError` | something went wrong here |
| 501 | `MethodNotImplemented` | there is no such method |
| 503 | `NotEnoughResources` | too many calls at once, one took too long, or the account of a token cannot be looked up now: `Retry-After` says when to come back |

## Who asks

`rsvp.atmo.space.*`, `events.smokesignal.*`, `app.guestlist.confirmAttestation`, `app.guestlist.listAudit` and
`app.guestlist.listTickets` answer only to somebody whom they know; the others ask nobody who they are. There are two
ways to be known:

- A **service token** from one's own PDS: `com.atproto.server.getServiceAuth` with the DID of this service as `aud` and
  the method as `lxm`. It goes along as `Authorization: Bearer <token>`.
- **Through the PDS**: the call goes there, with `atproto-proxy: <DID of this service>#guestlist`, and the PDS hands it
  on with a token that it makes.

The DID of this service is the `id` in `/.well-known/did.json`. A token is for one method and counts once, so each call
needs one of its own, a repeated one too. It may be valid for five minutes at most.

| status | `error` | when |
|---|---|---|
| 401 | `AuthRequired` | there is no token, or it does not count: `message` says why |
| 403 | `Forbidden` | this is not for the caller to do |
| 409 | `QuotaExceeded` | there are as many of these as there may be |
| 429 | `RateLimitExceeded` | too many calls: `Retry-After` says when to come back |
";

/// Whether a method answers only who has a service token. No lexicon can say so; [`HEAD`] does.
pub(crate) fn needs_token(id: &str) -> bool {
    const OURS: [&str; 3] =
        ["app.guestlist.confirmAttestation", "app.guestlist.listAudit", "app.guestlist.listTickets"];
    id.starts_with("rsvp.atmo.space.") || id.starts_with("events.smokesignal.") || OURS.contains(&id)
}

/// Definitions by full name: the NSID alone for `main`.
type Defs = BTreeMap<String, Value>;

/// The page.
pub(super) fn page(documents: &HashMap<String, Value>) -> String {
    let mut defs = Defs::new();
    for (id, document) in documents {
        for (name, schema) in document["defs"].as_object().unwrap() {
            defs.insert(full(id, &format!("#{name}")), absolute(schema, id));
        }
    }
    let mut page = HEAD.to_owned();
    let methods: Vec<_> = defs.iter().filter(|(_, schema)| is_method(schema)).collect();
    // Whatever the methods share is explained once, at the end.
    let mut shared = BTreeMap::new();
    for (id, schema) in &methods {
        write_method(&mut page, id, schema, &defs, &mut shared);
    }
    page.push_str("\n## Shared shapes\n");
    let mut explained = BTreeMap::new();
    while let Some((name, schema)) = shared.pop_first() {
        if explained.contains_key(&name) {
            continue;
        }
        let mut text = String::new();
        write_definition(&mut text, &name, &schema, &defs, &mut shared);
        explained.insert(name, text);
    }
    page.extend(explained.into_values());
    page
}

/// Whether a definition is that of a query or a procedure.
pub(super) fn is_method(schema: &Value) -> bool {
    schema["type"] == "query" || schema["type"] == "procedure"
}

/// The full name of what a reference in the document `id` names.
fn full(id: &str, name: &str) -> String {
    let name = if name.starts_with('#') { format!("{id}{name}") } else { name.to_owned() };
    name.trim_end_matches("#main").to_owned()
}

/// A schema whose references do not depend on where it stands.
fn absolute(schema: &Value, id: &str) -> Value {
    match schema {
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| match value {
                Value::String(text) if name == "ref" => (name.clone(), Value::String(full(id, text))),
                _ => (name.clone(), absolute(value, id)),
            };
            Value::Object(fields.iter().map(field).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| absolute(item, id)).collect()),
        other => other.clone(),
    }
}

fn write_method(out: &mut String, id: &str, schema: &Value, defs: &Defs, shared: &mut Defs) {
    write!(out, "\n## `{id}`\n\n{}\n", described(schema)).unwrap();
    match (schema["type"] == "procedure", needs_token(id)) {
        (true, true) => out.push_str("\nA procedure, with a service token.\n"),
        (true, false) => out.push_str("\nA procedure.\n"),
        (false, true) => out.push_str("\nWith a service token.\n"),
        (false, false) => {}
    }
    write_table(out, "parameter", &schema["parameters"], defs, shared);
    write_table(out, "in the body", &schema["input"]["schema"], defs, shared);
    let output = &schema["output"]["schema"];
    match output["ref"].as_str() {
        Some(_) => write!(out, "\nThe answer is {}.\n", shape(output, defs, shared)).unwrap(),
        None => write_table(out, "in the answer", output, defs, shared),
    }
    let errors: Vec<_> = schema["errors"].as_array().into_iter().flatten().collect();
    if !errors.is_empty() {
        out.push_str("\n| status | `error` | when |\n|---|---|---|\n");
        for error in errors {
            let (status, when) = error["description"].as_str().unwrap().split_once(": ").unwrap();
            writeln!(out, "| {status} | `{}` | {when} |", error["name"].as_str().unwrap()).unwrap();
        }
    }
}

/// A table of the fields of an object, if it has any.
fn write_table(out: &mut String, title: &str, object: &Value, defs: &Defs, shared: &mut Defs) {
    if object["properties"].as_object().is_some_and(|properties| !properties.is_empty()) {
        write!(out, "\n| {title} | | |\n|---|---|---|\n").unwrap();
        write_fields(out, object, defs, shared);
    }
}

fn write_definition(out: &mut String, name: &str, schema: &Value, defs: &Defs, shared: &mut Defs) {
    writeln!(out, "\n### `{name}`").unwrap();
    let described = described(schema);
    if !described.is_empty() {
        writeln!(out, "\n{described}").unwrap();
    }
    if schema["type"] == "object" {
        write_table(out, "field", schema, defs, shared);
    } else {
        writeln!(out, "\n{}", shape(schema, defs, shared)).unwrap();
    }
}

/// The fields of an object: the required ones first, each part in the order of the alphabet.
fn write_fields(out: &mut String, object: &Value, defs: &Defs, shared: &mut Defs) {
    let required: Vec<_> = object["required"].as_array().into_iter().flatten().collect();
    let mut fields: Vec<_> = object["properties"].as_object().unwrap().iter().collect();
    let is_required = |name: &str| required.iter().any(|one| *one == name);
    fields.sort_by_key(|(name, _)| (!is_required(name), (*name).clone()));
    for (name, schema) in fields {
        let optional = if is_required(name) { "" } else { ", optional" };
        let shape = shape(schema, defs, shared);
        writeln!(out, "| `{name}` | {shape}{optional} | {} |", described(schema)).unwrap();
    }
}

fn described(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

/// What a value is, in a few words.
fn shape(schema: &Value, defs: &Defs, shared: &mut Defs) -> String {
    let mut text = match (schema["type"].as_str().unwrap(), schema["format"].as_str()) {
        ("string", Some(format)) => format.to_owned(),
        ("array", _) => {
            let most =
                schema["maxLength"].as_u64().map(|most| format!(", at most {most}")).unwrap_or_default();
            return format!("list of {}{most}", shape(&schema["items"], defs, shared));
        }
        ("ref", _) => {
            let name = schema["ref"].as_str().unwrap();
            shared.insert(name.to_owned(), defs[name].clone());
            let anchor: String = name.to_lowercase().chars().filter(|one| !".#".contains(*one)).collect();
            let short = name.rsplit(['#', '.']).next().unwrap();
            return format!("[{short}](#{anchor})");
        }
        ("unknown", _) => "any object".to_owned(),
        (kind, _) => kind.to_owned(),
    };
    match (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
        (Some(least), Some(most)) => write!(text, " from {least} to {most}").unwrap(),
        (Some(least), None) => write!(text, " of at least {least}").unwrap(),
        (None, Some(most)) => write!(text, " of at most {most}").unwrap(),
        (None, None) => {}
    }
    if let Some(most) = schema["maxLength"].as_u64() {
        write!(text, " of at most {most} bytes").unwrap();
    }
    match &schema["default"] {
        Value::Null => {}
        Value::String(word) => write!(text, ", `{word}` unless given").unwrap(),
        other => write!(text, ", {other} unless given").unwrap(),
    }
    if let Some(known) = schema["knownValues"].as_array() {
        let words: Vec<_> = known.iter().map(|word| format!("`{}`", word.as_str().unwrap())).collect();
        write!(text, ": {}", words.join(", ")).unwrap();
    }
    text
}

//! People in the Portal: a client that logs in with a service token and keeps the cookie, as a browser does.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::tokens::{Answer, Client, Person, exchange, message};

/// The method of a token that is traded for a session.
pub(crate) const LOG_IN: &str = "app.guestlist.portal.createSession";

/// Where the Portal is.
pub(crate) const PORTAL: &str = "/v1/portal";

/// Somebody who is logged in at one process of a site.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    address: Arc<str>,
    /// What the cookie says.
    pub(crate) secret: String,
}

/// The lines of a request's head by which somebody is known.
pub(crate) fn cookie(secret: &str) -> String {
    format!("Cookie: psession={secret}\r\n")
}

/// The request that trades a token for a session.
pub(crate) fn log_in(token: &str) -> String {
    let bearer = format!("Authorization: Bearer {token}\r\n");
    message("POST", &format!("{PORTAL}/session"), &bearer, Some(""))
}

impl Answer {
    /// The secret of a session that a browser is told to keep.
    #[track_caller]
    pub(crate) fn secret(&self) -> String {
        let line = self.head.lines().find_map(|line| line.strip_prefix("set-cookie: psession="));
        line.and_then(|line| line.split(';').next()).expect("a cookie").to_owned()
    }

    /// The text of an error as the Portal words it.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        let body = self.json();
        let keys: Vec<_> = body.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["correlation_id", "error"], "{}", self.body);
        assert_eq!(body["correlation_id"].as_str().unwrap().len(), 36);
        body["error"].as_str().unwrap().to_owned()
    }
}

impl Browser {
    /// Logs somebody in.
    #[track_caller]
    pub(crate) fn of(client: &Client, who: &Person) -> Self {
        let opened = exchange(&client.address, &log_in(&who.token(LOG_IN))).expect("an answer");
        assert_eq!(opened.done()["did"], who.did);
        Self::with(client, &opened.secret())
    }

    /// One that has a cookie.
    pub(crate) fn with(client: &Client, secret: &str) -> Self {
        Self { address: Arc::clone(&client.address), secret: secret.to_owned() }
    }

    /// Calls; `None` if no answer came.
    pub(crate) fn call(&self, verb: &str, path: &str, input: Option<&Value>) -> Option<Answer> {
        let input = input.map(Value::to_string);
        let request = message(verb, &format!("{PORTAL}{path}"), &cookie(&self.secret), input.as_deref());
        exchange(&self.address, &request)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).expect("an answer")
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, input: &Value) -> Answer {
        self.call("POST", path, Some(input)).expect("an answer")
    }

    /// Makes a chat; its number.
    #[track_caller]
    pub(crate) fn chat(&self, visibility: &str) -> u64 {
        let made = self.post("/chats", &json!({ "name": "Tea", "visibility": visibility }));
        made.done()["chat_id"].as_u64().unwrap()
    }

    /// Makes an invite; its code.
    #[track_caller]
    pub(crate) fn invite(&self, chat: u64, terms: &Value) -> String {
        let made = self.post(&format!("/chats/{chat}/invites"), terms).done();
        made["code"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn resolve(&self, code: &str) -> Answer {
        self.call("POST", &format!("/resolve/{code}"), None).expect("an answer")
    }

    #[track_caller]
    pub(crate) fn log_out(&self) -> Answer {
        self.call("DELETE", "/session", None).expect("an answer")
    }
}

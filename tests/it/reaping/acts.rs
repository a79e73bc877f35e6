//! What is done in a garden, and how each call goes out and is answered.

use serde_json::{Value, json};

use crate::browsers::{Browser, LOG_IN, log_in};
use crate::tokens::{Answer, Client, Person, exchange};

/// Kinds of calls that succeed.
pub(super) const ACTS: usize = 18;

/// Something to do in a garden.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Make(String),
    Delete(String),
    Invite(String),
    Redeem {
        space: String,
        hash: String,
        who: String,
    },
    Revoke {
        space: String,
        hash: String,
    },
    Add {
        space: String,
        who: String,
        perms: &'static str,
    },
    Remove {
        space: String,
        who: String,
    },
    Leave {
        space: String,
        who: String,
    },
    /// By the invite that all gardens share.
    Share {
        who: String,
    },
    /// A chat is made in the Portal.
    Chat,
    /// An invite by a code, to a chat.
    Code(String),
    /// It is ended by its code.
    End {
        space: String,
        hash: String,
    },
    Resolve {
        space: String,
        hash: String,
        who: String,
    },
    LogIn {
        who: String,
    },
    LogOut {
        secret: String,
    },
    Configure {
        setting: &'static str,
        value: Value,
    },
    Link {
        who: String,
        aturi: String,
    },
    Confirm {
        who: String,
        aturi: String,
    },
}

impl Act {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Act::Make(_) => "make",
            Act::Delete(_) => "delete",
            Act::Invite(_) => "invite",
            Act::Redeem { .. } => "redeem",
            Act::Revoke { .. } => "revoke",
            Act::Add { .. } => "add",
            Act::Remove { .. } => "remove",
            Act::Leave { .. } => "leave",
            Act::Share { .. } => "share",
            Act::Chat => "chat",
            Act::Code(_) => "code",
            Act::End { .. } => "end",
            Act::Resolve { .. } => "resolve",
            Act::LogIn { .. } => "log in",
            Act::LogOut { .. } => "log out",
            Act::Configure { .. } => "configure",
            Act::Link { .. } => "link",
            Act::Confirm { .. } => "confirm",
        }
    }
}

/// By what somebody is known who calls.
#[derive(Clone, Debug)]
enum Way {
    /// A token for this method.
    Token { token: String, method: &'static str },
    /// A token that is traded for a session.
    LogIn { token: String },
    /// A session, and what is called with it.
    Session { secret: String, verb: &'static str, path: String },
}

/// A call as it goes out.
#[derive(Clone, Debug)]
pub(super) struct Call {
    way: Way,
    input: Value,
    pub(super) act: Act,
}

impl Call {
    /// A call of a method.
    pub(super) fn of(who: &Person, method: &'static str, input: Value, act: Act) -> Self {
        Self { way: Way::Token { token: who.token(method), method }, input, act }
    }

    pub(super) fn log_in(who: &Person) -> Self {
        let way = Way::LogIn { token: who.token(LOG_IN) };
        Self { way, input: Value::Null, act: Act::LogIn { who: who.did.clone() } }
    }

    /// A call of the Portal.
    pub(super) fn visit(secret: &str, verb: &'static str, path: String, input: Value, act: Act) -> Self {
        Self { way: Way::Session { secret: secret.to_owned(), verb, path }, input, act }
    }

    /// Makes the call, the first time or once more; `None` if no answer came.
    pub(super) fn send(&self, client: &Client) -> Option<Answer> {
        match &self.way {
            Way::Token { token, method } => client.call_with(token, method, &self.input),
            Way::LogIn { token } => exchange(&client.address, &log_in(token)),
            Way::Session { secret, verb, path } => {
                let input = (!self.input.is_null()).then_some(&self.input);
                Browser::with(client, secret).call(verb, path, input)
            }
        }
    }

    /// Whether it has a token, which counts once.
    pub(super) fn counts_once(&self) -> bool {
        !matches!(self.way, Way::Session { .. })
    }

    /// The name of an error. The Portal has none, so that its status says which.
    pub(super) fn error<'a>(&self, answer: &'a Answer) -> std::borrow::Cow<'a, str> {
        if matches!(self.way, Way::Token { .. }) {
            return answer.error().into();
        }
        match answer.status {
            200 => "",
            400 => "InvalidInvite",
            401 => "AuthRequired",
            404 => "NotFound",
            409 => "QuotaExceeded",
            _ => panic!("{}", answer.body),
        }
        .into()
    }
}

/// An input that names a space.
pub(super) fn of_space(space: &str, more: Value) -> Value {
    let mut input = json!({ "spaceUri": space });
    input.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    input
}

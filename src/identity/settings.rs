//! How identities are looked up, and how much of it there may be.

use std::time::Duration;

use super::budget::{Rate, RefreshRates};
use super::gate::Bounds;
use crate::net::Origin;

/// Where, and how patiently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The directory of `did:plc`. The operator's choice, so it may be anywhere.
    pub plc: Origin,
    /// How long a document or a handle counts without being asked for again.
    pub fresh: Duration,
    /// How long at most, while asking again fails.
    pub kept: Duration,
    /// How long one look-up may take, from the name to the last byte.
    pub patience: Duration,
    /// Whether hosts that anybody names may be in a private network. For tests.
    pub allow_private_networks: bool,
    /// Bounds on work and memory.
    pub limits: Limits,
}

impl Settings {
    /// The settings that are usual, with this directory.
    pub fn with(plc: Origin) -> Self {
        Self {
            plc,
            fresh: Duration::from_secs(3600),
            kept: Duration::from_secs(24 * 3600),
            patience: Duration::from_secs(10),
            allow_private_networks: false,
            limits: Limits::default(),
        }
    }
}

/// Bounds on work and memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Accounts of which something is remembered, and handles. One takes less than a kilobyte.
    pub entries_max: usize,
    /// Look-ups in the directory of `did:plc`.
    pub plc: Bounds,
    /// How often it is asked.
    pub plc_rate: Rate,
    /// Look-ups at hosts of `did:web`.
    pub hosts: Bounds,
    /// Look-ups of handles.
    pub handles: Bounds,
    /// Look-ups because a signature failed.
    pub refreshes: RefreshRates,
    /// Look-ups because the signature of a service token failed, in the name of whomever it names. Apart from those of
    /// commits, which anybody could use up with tokens.
    pub token_refreshes: RefreshRates,
    /// Look-ups in the directory for callers.
    pub callers_plc: Bounds,
    /// Look-ups at hosts of `did:web` for callers.
    pub callers_hosts: Bounds,
    /// How often an account is looked up because somebody calls in its name, in the directory and at hosts each.
    pub callers_rate: Rate,
    /// How often an account is looked up only because somebody is shown it.
    pub shown_rate: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        // A stranger's host gets two at once: it may be small, and it may be slow on purpose.
        let strangers = Bounds { at_once: 16, at_once_per_host: 2, waiting: 256 };
        // With what is looked up for lists and for clients fewer than the gates let in: accounts whose commits wait always
        // have turns.
        let callers = Bounds { at_once: 4, at_once_per_host: 4, waiting: 32 };
        Self {
            entries_max: 100_000,
            plc: Bounds { at_once: 20, at_once_per_host: 20, waiting: 256 },
            // The public directory serves everybody; who needs more runs a replica.
            plc_rate: Rate { burst: 200, each: Duration::from_millis(20) },
            hosts: Bounds { at_once: 20, ..strangers },
            handles: strangers,
            refreshes: RefreshRates::default(),
            token_refreshes: RefreshRates::default(),
            callers_plc: callers,
            callers_hosts: Bounds { at_once_per_host: 2, ..callers },
            // As people come that nobody knows yet, and with all the others well within what the directory is asked.
            callers_rate: Rate { burst: 50, each: Duration::from_millis(200) },
            shown_rate: Rate { burst: 100, each: Duration::from_millis(50) },
        }
    }
}

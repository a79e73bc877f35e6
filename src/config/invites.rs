//! The section `invites`.

use serde::{Deserialize, Serialize};

use super::{ConfigError, wide, within};
use crate::http::Rates;
use crate::records::Kind;
use crate::spaces::Bounds;
use crate::spaces::chats::Levels;
use crate::syntax::Nsid;
use crate::tables::portal::CHAT_TYPE;

/// Spaces, their invites, and how often people may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Invites {
    /// Active invites of a space.
    pub active_max: usize,
    /// Spaces that one person makes by hand.
    pub spaces_max: usize,
    /// The type of spaces that are made without one.
    pub space_type: Nsid,
    /// Days after which it is forgotten who did what.
    pub audit_days: u64,
    /// Calls in a minute by one person.
    pub calls_per_minute: u32,
    /// Calls in a minute from one address.
    pub calls_per_minute_per_address: u32,
    /// Calls in an hour by one person that may change something.
    pub changes_per_hour: u32,
    /// Calls in an hour from one address that may change something.
    pub changes_per_hour_per_address: u32,
    /// Invites in an hour that one person may fail to redeem.
    pub failures_per_hour: u32,
    /// Invites in an hour that may fail to be redeemed from one address.
    pub failures_per_hour_per_address: u32,
}

impl Default for Invites {
    fn default() -> Self {
        let (bounds, rates) = (Bounds::default(), Rates::default());
        Self {
            active_max: bounds.active_invites_max,
            spaces_max: bounds.spaces_max,
            space_type: Nsid::parse("tools.atmo.event.space").expect("a constant"),
            audit_days: 365,
            calls_per_minute: rates.calls_per_minute,
            calls_per_minute_per_address: rates.calls_per_minute_per_address,
            changes_per_hour: rates.changes_per_hour,
            changes_per_hour_per_address: rates.changes_per_hour_per_address,
            failures_per_hour: rates.failures_per_hour,
            failures_per_hour_per_address: rates.failures_per_hour_per_address,
        }
    }
}

impl Invites {
    /// How much of something there may be, and who may do more than others.
    pub fn bounds(&self, levels: Levels) -> Bounds {
        Bounds { active_invites_max: self.active_max, spaces_max: self.spaces_max, levels }
    }

    /// How often people may ask.
    pub fn rates(&self) -> Rates {
        Rates {
            calls_per_minute: self.calls_per_minute,
            calls_per_minute_per_address: self.calls_per_minute_per_address,
            changes_per_hour: self.changes_per_hour,
            changes_per_hour_per_address: self.changes_per_hour_per_address,
            failures_per_hour: self.failures_per_hour,
            failures_per_hour_per_address: self.failures_per_hour_per_address,
        }
    }

    /// What types cannot say.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        const RATE: std::ops::RangeInclusive<u64> = 1..=1_000_000;
        if Kind::from_nsid(self.space_type.as_str()).is_some() || self.space_type.as_str() == CHAT_TYPE {
            return Err(ConfigError::SpaceType { kind: self.space_type.clone() });
        }
        // Each is looked at when another is made.
        within("invites.active_max", wide(self.active_max), 1..=1_000)?;
        within("invites.spaces_max", wide(self.spaces_max), 0..=10_000)?;
        within("invites.audit_days", self.audit_days, 1..=36_500)?;
        within("invites.calls_per_minute", self.calls_per_minute.into(), RATE)?;
        within("invites.calls_per_minute_per_address", self.calls_per_minute_per_address.into(), RATE)?;
        within("invites.changes_per_hour", self.changes_per_hour.into(), RATE)?;
        within("invites.changes_per_hour_per_address", self.changes_per_hour_per_address.into(), RATE)?;
        within("invites.failures_per_hour", self.failures_per_hour.into(), RATE)?;
        within("invites.failures_per_hour_per_address", self.failures_per_hour_per_address.into(), RATE)
    }
}

//! The decisions of RULES.md, over rows.
//!
//! [`accounts`] says whose records are live, [`authority`] keeps who is in a round as records change,
//! [`verdict`] reads an answer with its reason, [`chain`] shows where a right comes from and [`depth`] how far
//! away that is, [`attendance`] keeps the answers to an event, [`acceptance`] reads whether one was accepted, [`calendar`]
//! says which events are yet to come, and [`listing`] keeps what readers find records by.
//! Everything is a function of rows: no clock, no order of arrival.

pub mod acceptance;
pub mod accounts;
pub mod attendance;
pub mod authority;
pub mod calendar;
pub mod chain;
pub mod depth;
pub mod listing;
pub mod verdict;

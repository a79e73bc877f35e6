//! The surface as a client sees it: requests in, answers out, over a store in memory.
//!
//! Every answer with status 200 is checked against the lexicon of its method on the way.

mod acceptances;
mod actor_rounds;
mod auth;
mod calendar;
mod client_of_smokesignal;
mod errors;
mod events;
mod explanations;
mod fire;
mod graph;
mod ics;
mod invitations;
mod links;
mod manners;
mod names;
mod near;
mod office;
mod parameters;
mod participants;
mod portal;
mod procedures;
mod quarantine;
mod rounds;
mod rsvps;
mod search;
mod signups;
mod smokesignal;
mod smokesignal_reads;
mod spaces;
mod standing;
mod status;
mod submissions;
mod tickets;
mod world;

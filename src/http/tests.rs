//! The surface as a client sees it: requests in, answers out, over a store in memory.
//!
//! Every answer with status 200 is checked against the lexicon of its method on the way.

mod errors;
mod events;
mod explanations;
mod rounds;
mod signups;
mod standing;
mod world;

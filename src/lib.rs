//! lib
#![allow(missing_docs)]
pub mod codec;
pub mod export;
pub mod records;
pub mod reduce;
pub mod rules;
pub mod store;
pub mod syntax;
pub mod tables;

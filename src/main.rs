//! The program. Everything is in the library; this is the way in.

use std::process::ExitCode;

/// Rows are made and dropped by the million, by threads that hand them to each other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    guestlist::cli::run()
}

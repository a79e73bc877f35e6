//! The program. Everything is in the library; this is the way in.

use std::process::ExitCode;

fn main() -> ExitCode {
    guestlist::cli::run()
}

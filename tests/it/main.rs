//! The black-box tests: one binary, one module a subject.

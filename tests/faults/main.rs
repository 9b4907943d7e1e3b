//! Faults under load: real processes, servers of the suite's own, links that are held and cut,
//! and invariants that must hold afterwards, seen from outside. `docs/faults.md` explains it,
//! `run.sh --help` says how to run it at length.

#[path = "../black_box/credentials.rs"]
mod credentials;
mod dice;
mod inflict;
mod invariants;
mod load;
mod member;
mod model;
mod operation;
#[expect(dead_code, reason = "shared with the black-box tests, which use more of it")]
#[path = "../black_box/process.rs"]
mod process;
mod proxy;
#[path = "../black_box/reply.rs"]
mod reply;
mod run;
mod servers;
mod settings;
mod settling;
mod suite;
mod system;
mod target;

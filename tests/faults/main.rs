//! Faults under load: real processes and servers of the run's own, links that are held and
//! cut, processes that are killed, and rules that must hold afterwards, seen from outside.

mod addresses;
#[path = "../black_box/credentials.rs"]
mod credentials;
mod faults;
mod invariants;
mod load;
#[expect(dead_code, reason = "shared with the black-box tests, which use more of it")]
#[path = "../black_box/process.rs"]
mod process;
mod proxy;
#[path = "../black_box/reply.rs"]
mod reply;
mod run;
mod world;

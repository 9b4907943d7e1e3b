//! Faults on the links between processes: what was acknowledged outlives them, and nothing comes
//! twice. The points at which a process dies are reached by what the links hold back, not by code
//! in the product: see `docs/decisions/0019-faults-come-over-the-links.md`.

mod brokers;
mod links;
mod named_points;
#[path = "../black_box/process.rs"]
mod process;
mod proxy;
mod world;

//! auth over HTTP: every answer it gives, and that a refused request writes nothing.

mod addresses;
mod administering;
mod away;
mod batch;
mod faults;
mod guessing;
mod harness;
mod idempotency;
mod limits;
mod mail;
mod me;
mod oauth;
mod operations;
mod postman;
mod quiet;
mod refusals;
mod registering;
mod security_log;
mod session_ends;
mod signing_in;
mod smtp;
mod starttls;
mod timing;
mod upgrading;

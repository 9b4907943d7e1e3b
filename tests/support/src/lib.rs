//! Servers, databases and names for tests.

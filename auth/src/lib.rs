//! Users: registration, passwords, and the events that tell of them. Not built yet.

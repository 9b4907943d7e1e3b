//! How our services speak HTTP: extractors, layers, the server.

mod access;
mod client;
mod documentation;
mod doorway;
mod extract;
mod form;
mod layers;
mod operations;
mod serve;
mod trace;

pub use crate::traces::TraceContext;
pub use access::{
    Access, AccessTable, OWNER_SCHEME, OWNER_SCOPE, SECURITY_LOG, TOKEN_SCHEME, Unguarded, access_table,
    guard,
};
pub use client::{ClientAddress, PeerAddress, TrustedProxies};
pub use documentation::documentation;
pub use doorway::Doorway;
pub use extract::{DEFAULT_BODY_LIMIT_BYTES, Json, Path, Query};
pub use form::{Form, Repeated};
pub use layers::{Manners, polite};
pub use operations::{Collector, Operations};
pub use serve::serve;

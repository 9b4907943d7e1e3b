//! The driver's errors as ours: what they mean, without what they quote.

use mongodb::error::{Error, ErrorKind, WriteFailure};

use super::{OpenError, StoreError};

/// The server's code for a value that a unique index holds already.
const DUPLICATE_KEY: i32 = 11_000;

/// A driver's error without its text where that text may quote a document: the
/// server's messages hold the values they complain of, addresses of people among them.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the server answered with error {code} {name}")]
    Server { code: i32, name: String },
    #[error("{0}")]
    Driver(String),
    #[error("the server's answer cannot be read")]
    Unreadable,
}

/// The error as the rest of this crate sees it.
pub(super) fn store(error: Error) -> StoreError {
    let fault = match *error.kind {
        ErrorKind::BsonDeserialization(_) | ErrorKind::Bson(_) => {
            return StoreError::corrupt(Fault::Unreadable);
        }
        ErrorKind::Command(failure) => Fault::Server { code: failure.code, name: failure.code_name },
        ErrorKind::Write(WriteFailure::WriteError(failure)) => {
            Fault::Server { code: failure.code, name: failure.code_name.unwrap_or_default() }
        }
        ErrorKind::Write(WriteFailure::WriteConcernError(failure)) => {
            Fault::Server { code: failure.code, name: failure.code_name }
        }
        kind @ (ErrorKind::Io(_)
        | ErrorKind::ServerSelection { .. }
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::DnsResolve { .. }
        | ErrorKind::InvalidTlsConfig { .. }
        | ErrorKind::IncompatibleServer { .. }
        | ErrorKind::Shutdown) => Fault::Driver(kind.to_string()),
        ErrorKind::Authentication { .. } => Fault::Driver("the server refused the credentials".to_owned()),
        _ => Fault::Driver("the driver failed".to_owned()),
    };
    StoreError::unavailable(fault)
}

/// The error of reading a URL. Names that cannot be looked up now may be later;
/// everything else is for the operator. The driver's own text may quote the
/// password and is not passed on.
pub(super) fn settings(error: Error) -> OpenError {
    match *error.kind {
        ErrorKind::DnsResolve { .. } | ErrorKind::Io(_) => OpenError::Unavailable(store(error)),
        _ => OpenError::Settings(
            "it is no valid MongoDB connection string (mongodb://user:password@host:port/database?options; \
             characters such as @ : / in a password are to be percent-encoded)"
                .to_owned(),
        ),
    }
}

/// Whether a unique index refused the write.
pub(super) fn is_duplicate_key(error: &Error) -> bool {
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(failure)) => failure.code == DUPLICATE_KEY,
        ErrorKind::Command(failure) => failure.code == DUPLICATE_KEY,
        _ => false,
    }
}

/// Whether the write may have happened all the same: the answer was lost, or a
/// majority of the servers did not confirm in time.
pub(super) fn may_have_written(error: &Error) -> bool {
    !matches!(
        error.kind.as_ref(),
        ErrorKind::ServerSelection { .. }
            | ErrorKind::Authentication { .. }
            | ErrorKind::InvalidArgument { .. }
            | ErrorKind::BsonSerialization(_)
            | ErrorKind::Shutdown
            | ErrorKind::Write(WriteFailure::WriteError(_))
    )
}

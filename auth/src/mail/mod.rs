//! Mail: written with the user and sealed there, sent by a task of its own.

mod composer;
mod config;
mod letter;
mod patience;
mod postman;
mod rewrap;
mod round;
mod transport;

pub use composer::Composer;
pub use config::{Delivery, MailArgs, MailConfig};
pub use letter::Letter;
pub use postman::{Postman, Sending};
pub use rewrap::rewrap;
pub use round::{Outcome, RoundError};
pub use transport::{DirectoryTransport, SendError, SmtpTransport, Transport, open_transport};

//! Mail: written with the user and sealed there, sent by a task of its own.

mod composer;
mod config;
mod letter;
mod postman;
mod rewrap;
mod transport;

pub use composer::Composer;
pub use config::{Delivery, MailArgs, MailConfig};
pub use letter::Letter;
pub use postman::{Outcome, Postman, Sending};
pub use rewrap::rewrap;
pub use transport::{DirectoryTransport, SendError, SmtpTransport, Transport, open_transport};

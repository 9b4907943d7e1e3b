//! What a user is made of: types that exist only when their text was valid.

mod display_name;
mod email;
mod idempotency;
mod password;
mod user;

pub use display_name::{DisplayName, InvalidDisplayName};
pub use email::{EmailAddress, InvalidEmail};
pub(crate) use idempotency::request_digest;
pub use idempotency::{Digest, IdempotencyKey, InvalidKey, KeptReply};
pub use password::{InvalidPassword, Password};
pub use user::{NewUser, User};

//! What a user is made of: types that exist only when their text was valid.

mod change;
mod display_name;
mod email;
mod idempotency;
mod login_name;
mod password;
mod roles;
mod user;
mod username;

pub use change::{Edit, UserChange};
pub use display_name::{DisplayName, InvalidDisplayName};
pub use email::{EmailAddress, InvalidEmail};
pub use idempotency::{Digest, IdempotencyKey, InvalidKey, KeptReply, KeptRequest};
pub use login_name::{InvalidLoginName, LoginName};
pub use password::{InvalidPassword, Password};
pub use roles::{Role, Roles};
pub use user::{NewUser, Profile, User};
pub use username::{InvalidUsername, Username};

//! What a user is made of: types that exist only when their text was valid.

mod email;
mod password;

pub use email::{EmailAddress, InvalidEmail};
pub use password::{InvalidPassword, Password};

//! What a user is made of: types that exist only when their text was valid.

mod change;
mod client;
mod common_passwords;
mod display_name;
mod email;
mod idempotency;
mod login_name;
mod password;
mod posting;
mod replay;
mod roles;
mod session;
mod ticket;
mod user;
mod username;

pub use change::{Edit, UserChange};
pub(crate) use client::known_scopes;
pub use client::{Client, GOOD_SECRETS, InvalidClient};
pub use display_name::{DisplayName, InvalidDisplayName};
pub use email::{EmailAddress, InvalidEmail};
pub use idempotency::{Digest, IdempotencyKey, InvalidKey, KeptReply, KeptRequest};
pub use login_name::{InvalidLoginName, LoginName};
pub use password::{InvalidPassword, Password};
pub use posting::{MailKind, Posting, WaitingMail};
pub use replay::Replay;
pub use roles::{Role, Roles};
pub use session::{
    PresentedToken, ROTATION_GRACE, Rotation, Session, Standing, USED_TOKENS, UsedToken, device,
};
pub use ticket::{InvalidTicket, KeptTicket, NewAddress, Ticket, TicketKind};
pub use user::{NewUser, Profile, User};
pub use username::{InvalidUsername, Username};

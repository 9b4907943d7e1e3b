//! What is done by an operator's hand, or at the first start, and not over HTTP.

use accrue_chassis::clock::SharedClock;
use accrue_chassis::http::SECURITY_LOG;
use secrecy::SecretString;

use crate::domain::{EmailAddress, NewUser, Password, Profile, Role, User, Username};
use crate::passwords::{HashingError, PasswordHashing};
use crate::store::{AuthStore, Registration, StoreError, UserFilter};

/// The address of the first administrator: no mail ever goes there (RFC 2606).
const FIRST_ADMIN_EMAIL: &str = "admin@accrue.invalid";
const FIRST_ADMIN_USERNAME: &str = "admin";

/// A user was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateUserError {
    /// Somebody has the address.
    #[error("somebody has this email address already")]
    EmailTaken,
    /// Somebody has the username.
    #[error("somebody has this username already")]
    UsernameTaken,
    /// The password cannot be hashed.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What this program makes up itself was refused.
    #[error("a first administrator cannot be made up")]
    Unusable,
}

/// The first administrator, whose password is nowhere else.
pub struct FirstAdmin {
    /// What to sign in with.
    pub username: String,
    /// The password: to be shown once.
    pub password: SecretString,
}

/// A password that nobody has to remember: 128 random bits.
#[must_use]
pub fn generated_password() -> SecretString {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>()).into()
}

/// Makes a user, with the event that tells of them, as if they had signed up.
///
/// # Errors
/// [`CreateUserError`].
pub async fn create_user(
    store: &dyn AuthStore,
    passwords: &PasswordHashing,
    clock: &SharedClock,
    profile: Profile,
    password: Password,
) -> Result<User, CreateUserError> {
    let hash = passwords.hash(password).await?;
    let new = NewUser::new(store.new_user_id(), profile, Some(hash), clock.now(), None);
    match store.register(new).await? {
        Registration::Registered(user) => {
            let roles = user.roles.iter().map(Role::word).collect::<Vec<_>>().join(" ");
            let user_id = &user.user_id;
            tracing::info!(target: SECURITY_LOG, event = "user_created", actor = "operator", user_id, roles);
            Ok(user)
        }
        Registration::UsernameTaken => Err(CreateUserError::UsernameTaken),
        // No key is sent along, so none can have been used.
        Registration::EmailTaken | Registration::KeyUsed(_) => Err(CreateUserError::EmailTaken),
    }
}

/// Makes an administrator if there is none.
///
/// # Errors
/// [`CreateUserError`]; taken names mean that somebody has signed up under them.
pub async fn first_admin(
    store: &dyn AuthStore,
    passwords: &PasswordHashing,
    clock: &SharedClock,
) -> Result<Option<FirstAdmin>, CreateUserError> {
    use secrecy::ExposeSecret as _;
    let admins = UserFilter { role: Some(Role::Admin), ..UserFilter::default() };
    if !store.list(&admins, None, 1).await?.is_empty() {
        return Ok(None);
    }
    let email = EmailAddress::parse(FIRST_ADMIN_EMAIL).map_err(|_| CreateUserError::Unusable)?;
    let profile = Profile {
        // Nobody reads mail there, and the administrator has to get in where that is asked for.
        email_verified: true,
        username: Username::parse(FIRST_ADMIN_USERNAME).ok(),
        roles: [Role::Admin].into_iter().collect(),
        ..Profile::of(email)
    };
    let secret = generated_password();
    let password =
        Password::parse(secret.expose_secret().to_owned()).map_err(|_| CreateUserError::Unusable)?;
    create_user(store, passwords, clock, profile, password).await?;
    Ok(Some(FirstAdmin { username: FIRST_ADMIN_USERNAME.to_owned(), password: secret }))
}

//! The all-in-one's first administrator: made where there is none, and shown once.

use std::sync::Arc;

use accrue_auth::operator::{FirstAdmin, first_admin};
use accrue_auth::passwords::{HashCost, PasswordHashing};
use accrue_auth::store::AuthStore;
use accrue_chassis::clock::{SharedClock, SystemClock};
use secrecy::ExposeSecret as _;

/// Makes the first administrator and prints the password this once.
pub(crate) async fn introduce(store: &dyn AuthStore, hash_cost: HashCost) {
    let clock: SharedClock = Arc::new(SystemClock);
    match first_admin(store, &PasswordHashing::new(1, hash_cost), &clock).await {
        Ok(Some(FirstAdmin { username, password })) => println!(
            "\nThe first administrator, shown this once:\n\n  username  {username}\n  password  {}\n",
            password.expose_secret(),
        ),
        Ok(None) => {}
        Err(error) => tracing::warn!(
            "no administrator could be made: {error}; `accrue admin create-user --role admin` makes one"
        ),
    }
}

//! Password hashes: argon2id on blocking threads, as many as cores, behind a bounded queue.

mod cost;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::domain::Password;

pub use cost::HashCost;

/// Lanes of one hash: one password uses one core.
const LANES: u32 = 1;

/// Hashes and verifies passwords without ever holding up the async threads.
#[derive(Debug, Clone)]
pub struct PasswordHashing {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    cost: HashCost,
    work_kib: Arc<AtomicU64>,
}

/// Why there is no hash.
#[derive(Debug, thiserror::Error)]
pub enum HashingError {
    /// The queue is full; nothing was done. To be answered with 503.
    #[error("too many passwords wait to be hashed")]
    Overloaded,
    /// The hash function or a stored hash is at fault.
    #[error("a password could not be hashed or compared: {0}")]
    Failed(String),
}

impl PasswordHashing {
    /// As many hashes at once as there are cores, with `queue` more waiting.
    #[must_use]
    pub fn new(queue: usize, cost: HashCost) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (running, admitted) = (Arc::new(Semaphore::new(cores)), Arc::new(Semaphore::new(cores + queue)));
        Self { running, admitted, cost, work_kib: Arc::default() }
    }

    /// What all hashes together have cost so far, as [`HashCost::work_kib`] counts: by it
    /// two answers are known to have taken the same work, however busy the machine was.
    #[must_use]
    pub fn work_kib(&self) -> u64 {
        self.work_kib.load(Ordering::Relaxed)
    }

    /// The password's hash as a PHC string, under a salt of its own.
    ///
    /// # Errors
    /// [`HashingError`].
    pub async fn hash(&self, password: Password) -> Result<SecretString, HashingError> {
        let (cost, work_kib) = (self.cost, Arc::clone(&self.work_kib));
        self.run(move || {
            work_kib.fetch_add(cost.work_kib(), Ordering::Relaxed);
            let hash = argon2id(cost)?.hash_password(password.expose().as_bytes()).map_err(failed)?;
            Ok(hash.to_string().into())
        })
        .await
    }

    /// Whether `phc` cost something else than hashes cost now, so that it should be
    /// made anew when its password is next at hand: after a sign-in.
    #[must_use]
    pub fn needs_upgrade(&self, phc: &SecretString) -> bool {
        let made_with = PasswordHash::new(phc.expose_secret()).ok().and_then(|hash| {
            let params = Params::try_from(&hash).ok()?;
            (hash.algorithm == Algorithm::Argon2id.ident()).then_some(params)
        });
        made_with.is_none_or(|params| HashCost::of(&params) != self.cost || params.p_cost() != LANES)
    }

    /// Whether `password` is the one that `phc` was made of, at whatever cost. It never
    /// takes less work than a hash costs now: else the time would tell hashes of before
    /// from the dummy that is compared where there is no user.
    ///
    /// # Errors
    /// [`HashingError`]; `Failed` when `phc` is no hash of ours.
    pub async fn verify(&self, password: Password, phc: SecretString) -> Result<bool, HashingError> {
        let (cost, work_kib) = (self.cost, Arc::clone(&self.work_kib));
        self.run(move || {
            let hash = PasswordHash::new(phc.expose_secret()).map_err(failed)?;
            let made_with = HashCost::of(&Params::try_from(&hash).map_err(failed)?);
            work_kib.fetch_add(made_with.work_kib(), Ordering::Relaxed);
            let is_right = argon2id(cost)?.verify_password(password.expose().as_bytes(), &hash).is_ok();
            if let Some(rest) = cost.beyond(made_with) {
                work_kib.fetch_add(rest.work_kib(), Ordering::Relaxed);
                burn(rest, &password)?;
            }
            Ok(is_right)
        })
        .await
    }

    async fn run<T, F>(&self, work: F) -> Result<T, HashingError>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, HashingError> + Send + 'static,
    {
        let admission =
            Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| HashingError::Overloaded)?;
        let place = Arc::clone(&self.running).acquire_owned().await.map_err(failed)?;
        tokio::task::spawn_blocking(move || {
            // Held until the work is over: a caller that leaves does not free the core.
            let _held = (admission, place);
            let start = Instant::now();
            let done = work();
            metrics::histogram!("password_hash_duration_seconds").record(start.elapsed().as_secs_f64());
            done
        })
        .await
        .map_err(failed)?
    }
}

fn argon2id(cost: HashCost) -> Result<Argon2<'static>, HashingError> {
    let params = Params::new(cost.memory_kib, cost.passes, LANES, None).map_err(failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Does the work of a hash, for nothing but the time that it takes.
fn burn(cost: HashCost, password: &Password) -> Result<(), HashingError> {
    let mut hash = [0; Params::DEFAULT_OUTPUT_LEN];
    argon2id(cost)?
        .hash_password_into(password.expose().as_bytes(), b"no salt of anybody", &mut hash)
        .map_err(failed)?;
    std::hint::black_box(hash);
    Ok(())
}

fn failed(error: impl std::fmt::Display) -> HashingError {
    HashingError::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::parse(text.to_owned()).expect("long enough")
    }

    #[tokio::test]
    async fn verifies_only_the_password_it_hashed() {
        let hashing = PasswordHashing::new(8, HashCost::default());
        let hash = hashing.hash(password("correct horse")).await.expect("a hash");
        let phc = hash.expose_secret();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        let another = hashing.hash(password("correct horse")).await.expect("another salt");
        assert_ne!(phc, another.expose_secret());
        assert!(hashing.verify(password("correct horse"), hash.clone()).await.expect("compared"));
        assert!(!hashing.verify(password("wrong horse"), hash).await.expect("compared"));
        assert!(hashing.verify(password("correct horse"), String::from("no hash").into()).await.is_err());
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let hashing = PasswordHashing {
            running: Arc::new(Semaphore::new(1)),
            admitted: Arc::new(Semaphore::new(0)),
            cost: HashCost::default(),
            work_kib: Arc::default(),
        };
        let refused = hashing.hash(password("correct horse")).await;
        assert!(matches!(refused, Err(HashingError::Overloaded)));
    }

    #[tokio::test]
    async fn hashes_of_another_cost_compare_and_are_to_be_upgraded() {
        let cheap = PasswordHashing::new(8, HashCost { memory_kib: 64, passes: 3 });
        let hashing = PasswordHashing::new(8, HashCost { memory_kib: 128, passes: 1 });
        let old = cheap.hash(password("correct horse")).await.expect("a hash");
        assert!(old.expose_secret().contains("$m=64,t=3,p=1$"), "{}", old.expose_secret());
        assert!(hashing.verify(password("correct horse"), old.clone()).await.expect("compared"));
        assert!(!hashing.verify(password("wrong horse"), old.clone()).await.expect("compared"));
        assert!(hashing.needs_upgrade(&old) && !cheap.needs_upgrade(&old));
        let new = hashing.hash(password("correct horse")).await.expect("a hash");
        assert!(!hashing.needs_upgrade(&new));
        assert!(hashing.needs_upgrade(&String::from("no hash").into()));
    }
}

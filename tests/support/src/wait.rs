//! Waiting for what another process or task will do: polling, bounded.

use std::time::Duration;

/// How long a condition may take to come true. Generous: it is only ever used up
/// by a test that fails.
const LIMIT: Duration = Duration::from_secs(30);
/// How often it is looked at.
const STEP: Duration = Duration::from_millis(20);

/// What a condition answers: `bool`, or an `Option` of what was waited for.
pub trait Answer {
    /// What there is once it is there.
    type Found;
    /// The answer as an option.
    fn found(self) -> Option<Self::Found>;
}

impl Answer for bool {
    type Found = ();
    fn found(self) -> Option<()> {
        self.then_some(())
    }
}

impl<T> Answer for Option<T> {
    type Found = T;
    fn found(self) -> Option<T> {
        self
    }
}

/// Asks again and again until the answer is `true` or `Some`.
///
/// # Panics
/// With `what` when that does not happen within 30 s.
pub async fn eventually<A: Answer>(what: &str, ask: impl AsyncFnMut() -> A) -> A::Found {
    within(LIMIT, what, ask).await
}

/// As [`eventually`], for something that is known to take longer, or to be quick.
///
/// # Panics
/// With `what` when the answer is still no after `limit`.
pub async fn within<A: Answer>(limit: Duration, what: &str, mut ask: impl AsyncFnMut() -> A) -> A::Found {
    let polling = async {
        loop {
            if let Some(found) = ask().await.found() {
                return found;
            }
            tokio::time::sleep(STEP).await;
        }
    };
    let Ok(found) = tokio::time::timeout(limit, polling).await else {
        panic!("not within {} s: {what}", limit.as_secs_f32());
    };
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn asks_until_there_is_an_answer() {
        let mut asked = 0;
        let found = eventually("a third question", async || {
            asked += 1;
            (asked == 3).then_some("here")
        })
        .await;
        assert_eq!((found, asked), ("here", 3));
    }

    #[tokio::test]
    #[should_panic(expected = "not within 0.1 s: pigs fly")]
    async fn says_what_did_not_happen() {
        within(Duration::from_millis(100), "pigs fly", async || false).await;
    }
}

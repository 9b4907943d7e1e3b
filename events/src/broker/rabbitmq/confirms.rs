//! A channel whose publishes are confirmed: who wrote what, and what became of it.

use std::collections::HashSet;

use futures_util::FutureExt as _;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, Connection, PublisherConfirm};
use tokio::time::{Instant, timeout_at};

use super::super::{BrokerError, Destination, Publication};
use super::connection::{CALL_LIMIT, Endpoint, call, failed};

/// A connection and its one channel, both used by one task only: lapin mixes up the
/// confirms of a channel that two tasks publish on.
pub(super) struct ConfirmedChannel {
    connection: Connection,
    channel: Channel,
}

/// A message as it goes on the wire. The message id, if any, tells returns apart.
pub(super) struct Outgoing<'a> {
    pub(super) exchange: String,
    /// Whether it comes back where no queue takes it.
    pub(super) is_mandatory: bool,
    pub(super) routing_key: String,
    pub(super) body: &'a [u8],
    pub(super) properties: BasicProperties,
}

/// What became of a window.
pub(super) struct Window {
    pub(super) publications: Vec<Publication>,
    /// False when a message was returned or not answered in time: the topology may
    /// have been changed under us or the connection may be dead.
    pub(super) is_sound: bool,
}

impl ConfirmedChannel {
    /// Connects, declares the topology, and turns confirms on.
    pub(super) async fn open(endpoint: &Endpoint, purpose: &str) -> Result<Self, BrokerError> {
        Self::on(endpoint.connect_and_declare(purpose).await?).await
    }

    /// Connects, declares what is published to, and turns confirms on.
    pub(super) async fn open_to(endpoint: &Endpoint, to: Destination) -> Result<Self, BrokerError> {
        match to {
            Destination::Users => Self::open(endpoint, "publisher").await,
            Destination::Accounts => {
                Self::on(endpoint.connect_for_accounts("accounts publisher").await?).await
            }
        }
    }

    async fn on(connection: Connection) -> Result<Self, BrokerError> {
        let channel = call("a channel", connection.create_channel()).await?;
        call("to confirm publishes", channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(Self { connection, channel })
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// Publishes a window and waits for its confirms, up to 5 s for all
    /// of it. Not to be called again once it failed or was not sound.
    pub(super) async fn publish(&self, window: Vec<Outgoing<'_>>) -> Result<Window, BrokerError> {
        let deadline = Instant::now() + CALL_LIMIT;
        let ids: Vec<_> = window.iter().map(|message| message.properties.message_id().clone()).collect();
        let mut answers = Answers::default();
        let mut waiting = Vec::with_capacity(window.len());
        for (index, message) in window.into_iter().enumerate() {
            // AMQP ends a routing key at 255 bytes; lapin panics at more.
            let Ok(routing_key) = ShortString::try_new(message.routing_key) else { continue };
            let options = BasicPublishOptions { mandatory: message.is_mandatory, immediate: false };
            let exchange = message.exchange.into();
            let publishing =
                self.channel.basic_publish(exchange, routing_key, options, message.body, message.properties);
            let Ok(published) = timeout_at(deadline, publishing).await else {
                answers.is_complete = false;
                break;
            };
            waiting.push((index, published.map_err(|error| failed("a publish", error))?));
        }
        answers.wait_for(waiting, deadline).await?;
        answers.judge(&ids)
    }
}

/// The broker's answers to a window so far.
struct Answers {
    acked: Vec<usize>,
    returned: Vec<Option<ShortString>>,
    is_complete: bool,
}

impl Default for Answers {
    fn default() -> Self {
        Self { acked: Vec::new(), returned: Vec::new(), is_complete: true }
    }
}

impl Answers {
    async fn wait_for(
        &mut self,
        waiting: Vec<(usize, PublisherConfirm)>,
        deadline: Instant,
    ) -> Result<(), BrokerError> {
        for (index, mut confirm) in waiting {
            // Past the deadline what has been answered still counts.
            let answer = match timeout_at(deadline, &mut confirm).await {
                Ok(answer) => Some(answer),
                Err(_) => (&mut confirm).now_or_never(),
            };
            match answer {
                Some(answer) => self.take(index, answer.map_err(|error| failed("a publish", error))?),
                None => self.is_complete = false,
            }
        }
        Ok(())
    }

    fn take(&mut self, index: usize, confirmation: Confirmation) {
        if confirmation.is_ack() {
            self.acked.push(index);
        }
        if let Some(message) = confirmation.take_message() {
            self.returned.push(message.properties.message_id().clone());
        }
    }

    /// Decides what surely arrived.
    ///
    /// The broker returns a message before it confirms it, and lapin hands each
    /// return to whichever confirm resolves next. So there are never more returns
    /// at hand than returned messages still unconfirmed: once all confirms of a
    /// window have resolved, all its returns were handed out, and by their message
    /// ids they tell exactly which messages were not routed. While some confirms are
    /// missing this holds only if there was no return at all (the confirm of a
    /// returned message would have carried one), so then nothing is taken as
    /// confirmed as soon as there was one; nor when a return names no message of
    /// the window.
    fn judge(self, ids: &[Option<ShortString>]) -> Result<Window, BrokerError> {
        let known: HashSet<&ShortString> = ids.iter().flatten().collect();
        let returned: HashSet<&ShortString> = self.returned.iter().flatten().collect();
        let is_attributed = self.returned.iter().all(|id| id.as_ref().is_some_and(|id| known.contains(id)));
        let are_returns_complete = self.is_complete || self.returned.is_empty();
        let mut publications = vec![Publication::Unconfirmed; ids.len()];
        if is_attributed && are_returns_complete {
            for index in &self.acked {
                if ids[*index].as_ref().is_none_or(|id| !returned.contains(id)) {
                    publications[*index] = Publication::Confirmed;
                }
            }
        }
        if !self.is_complete && !publications.contains(&Publication::Confirmed) {
            return Err(BrokerError::Timeout { what: "a publish", limit: CALL_LIMIT });
        }
        Ok(Window { publications, is_sound: self.is_complete && self.returned.is_empty() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Publication::{Confirmed, Unconfirmed};

    fn ids(names: &[&str]) -> Vec<Option<ShortString>> {
        names.iter().map(|name| Some((*name).into())).collect()
    }

    fn judged(acked: &[usize], returned: &[&str], is_complete: bool) -> Option<Vec<Publication>> {
        let answers = Answers { acked: acked.to_vec(), returned: ids(returned), is_complete };
        answers.judge(&ids(&["a", "b", "c"])).ok().map(|window| window.publications)
    }

    #[test]
    fn only_what_was_acked_and_not_returned_is_confirmed() {
        assert_eq!(judged(&[0, 1, 2], &[], true), Some(vec![Confirmed; 3]));
        assert_eq!(judged(&[0, 2], &[], true), Some(vec![Confirmed, Unconfirmed, Confirmed]));
        assert_eq!(judged(&[0, 1, 2], &["b"], true), Some(vec![Confirmed, Unconfirmed, Confirmed]));
    }

    #[test]
    fn a_return_of_nothing_that_we_know_makes_all_unsure() {
        assert_eq!(judged(&[0, 1, 2], &["z"], true), Some(vec![Unconfirmed; 3]));
        let nameless = Answers { acked: vec![0, 1, 2], returned: vec![None], is_complete: true };
        let window = nameless.judge(&ids(&["a", "b", "c"])).expect("complete");
        assert_eq!((window.publications, window.is_sound), (vec![Unconfirmed; 3], false));
    }

    #[test]
    fn what_was_answered_in_time_counts_unless_there_was_a_return() {
        assert_eq!(judged(&[1], &[], false), Some(vec![Unconfirmed, Confirmed, Unconfirmed]));
        assert_eq!(judged(&[1, 2], &["a"], false), None);
        assert_eq!(judged(&[], &[], false), None);
    }
}

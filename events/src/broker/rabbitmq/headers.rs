//! What rides beside the body: our headers, and the broker's story of a message's deaths.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use time::OffsetDateTime;

/// How often a message was sent to the retry queue.
const ATTEMPTS: &str = "accrue-attempts";
/// The routing key that a message was first published with: one that we publish
/// again goes straight to its queue, by the queue's name.
const ROUTING_KEY: &str = "accrue-routing-key";
/// The W3C trace context.
const TRACEPARENT: &str = "traceparent";
/// Survives a restart of the broker.
const PERSISTENT: u8 = 2;

/// The properties of a message of ours.
pub(super) fn of_message(message: &crate::broker::Message) -> BasicProperties {
    let mut headers = FieldTable::default();
    if let Some(traceparent) = &message.traceparent {
        headers.insert(TRACEPARENT.into(), long(traceparent));
    }
    let properties = BasicProperties::default()
        .with_message_id(message.id.to_string().into())
        .with_delivery_mode(PERSISTENT)
        .with_headers(headers);
    match ShortString::try_new(message.content_type.as_str()) {
        Ok(content_type) => properties.with_content_type(content_type),
        Err(_) => properties,
    }
}

/// The properties of a message that is published once more. Without the broker's
/// own headers, in which RabbitMQ up to 3.13 would see a cycle and drop it; without
/// an expiry, a user id or further addressees, which only held for the first time.
pub(super) fn to_republish(old: &BasicProperties, attempts: u32, routing_key: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in old.headers().iter().flatten().filter(|(name, _)| !is_of_the_broker(name.as_str())) {
        headers.insert(name.clone(), value.clone());
    }
    headers.insert(ATTEMPTS.into(), AMQPValue::LongLongInt(i64::from(attempts)));
    headers.insert(ROUTING_KEY.into(), long(routing_key));
    let mut new = BasicProperties::default().with_delivery_mode(PERSISTENT).with_headers(headers);
    if let Some(value) = old.message_id() {
        new = new.with_message_id(value.clone());
    }
    if let Some(value) = old.content_type() {
        new = new.with_content_type(value.clone());
    }
    if let Some(value) = old.content_encoding() {
        new = new.with_content_encoding(value.clone());
    }
    if let Some(value) = old.correlation_id() {
        new = new.with_correlation_id(value.clone());
    }
    if let Some(value) = old.timestamp() {
        new = new.with_timestamp(*value);
    }
    if let Some(value) = old.kind() {
        new = new.with_type(value.clone());
    }
    if let Some(value) = old.app_id() {
        new = new.with_app_id(value.clone());
    }
    new
}

fn is_of_the_broker(name: &str) -> bool {
    ["x-first-death-", "x-last-death-"].iter().any(|start| name.starts_with(start))
        || ["x-death", "x-delivery-count", "x-acquired-count", "CC", "BCC"].contains(&name)
}

/// How often the message was sent to the retry queue; 0 where nobody counted.
pub(super) fn attempts(properties: &BasicProperties) -> u32 {
    let count = header(properties, ATTEMPTS).and_then(integer).unwrap_or(0);
    u32::try_from(count.max(0)).unwrap_or(u32::MAX)
}

/// The W3C trace context, if it is one line of text.
pub(super) fn traceparent(properties: &BasicProperties) -> Option<String> {
    header(properties, TRACEPARENT).and_then(string)
}

/// The routing key that the message was first published with, where we noted it.
pub(super) fn noted_routing_key(properties: &BasicProperties) -> Option<String> {
    header(properties, ROUTING_KEY).and_then(string)
}

/// The last death of a message, as the broker tells it.
#[derive(Debug, Default)]
pub(super) struct Death {
    pub(super) reason: Option<String>,
    pub(super) routing_key: Option<String>,
    pub(super) at: Option<OffsetDateTime>,
}

/// Reads `x-death`, whose first entry is the latest.
pub(super) fn last_death(properties: &BasicProperties) -> Death {
    let Some(AMQPValue::FieldArray(deaths)) = header(properties, "x-death") else { return Death::default() };
    let Some(AMQPValue::FieldTable(last)) = deaths.as_slice().first() else { return Death::default() };
    let keys = last.inner().get("routing-keys").and_then(AMQPValue::as_array);
    Death {
        reason: last.inner().get("reason").and_then(string),
        routing_key: keys.and_then(|keys| keys.as_slice().first()).and_then(string),
        at: last.inner().get("time").and_then(|time| match time {
            AMQPValue::Timestamp(seconds) => {
                OffsetDateTime::from_unix_timestamp(i64::try_from(*seconds).ok()?).ok()
            }
            _ => None,
        }),
    }
}

fn header<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a AMQPValue> {
    properties.headers().as_ref()?.inner().get(name)
}

fn long(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn string(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).ok(),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

/// Integers come in whichever width the last writer liked.
fn integer(value: &AMQPValue) -> Option<i64> {
    match *value {
        AMQPValue::ShortShortInt(n) => Some(n.into()),
        AMQPValue::ShortShortUInt(n) => Some(n.into()),
        AMQPValue::ShortInt(n) => Some(n.into()),
        AMQPValue::ShortUInt(n) => Some(n.into()),
        AMQPValue::LongInt(n) => Some(n.into()),
        AMQPValue::LongUInt(n) => Some(n.into()),
        AMQPValue::LongLongInt(n) => Some(n),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn republishing_keeps_what_is_the_producers_and_drops_what_is_the_brokers() {
        let mut headers = FieldTable::default();
        for name in ["x-death", "x-first-death-reason", "x-last-death-queue", "CC", "tenant"] {
            headers.insert(name.into(), long("x"));
        }
        headers.insert(ATTEMPTS.into(), AMQPValue::ShortInt(3));
        let old = BasicProperties::default()
            .with_headers(headers)
            .with_message_id("m".into())
            .with_user_id("other".into())
            .with_expiration("1".into());
        assert_eq!(attempts(&old), 3);
        let new = to_republish(&old, 4, "user.updated");
        let names: Vec<_> = new.headers().iter().flatten().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [ATTEMPTS, ROUTING_KEY, "tenant"]);
        assert_eq!((attempts(&new), noted_routing_key(&new)), (4, Some("user.updated".to_owned())));
        assert_eq!(new.message_id().as_ref().map(ShortString::as_str), Some("m"));
        assert_eq!((new.user_id(), new.expiration(), *new.delivery_mode()), (&None, &None, Some(PERSISTENT)));
    }

    #[test]
    fn odd_counts_are_counts() {
        for (odd, count) in
            [(long("seven"), 0), (AMQPValue::LongInt(-1), 0), (AMQPValue::LongLongInt(i64::MAX), u32::MAX)]
        {
            let mut headers = FieldTable::default();
            headers.insert(ATTEMPTS.into(), odd);
            assert_eq!(attempts(&BasicProperties::default().with_headers(headers)), count);
        }
    }
}

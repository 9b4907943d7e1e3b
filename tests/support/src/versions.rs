//! What servers are, as they say themselves.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties};
use mongodb::bson::doc;
use sqlx::{Connection as _, PgConnection};

/// A broker that takes longer to greet is not there.
const LIMIT: Duration = Duration::from_secs(20);

type Told = Result<String, Box<dyn Error>>;

/// What a MongoDB server says that it is, one that speaks its protocol too.
///
/// # Errors
/// When it does not answer.
pub async fn mongodb_version(url: &str) -> Told {
    let client = mongodb::Client::with_uri_str(url).await?;
    let info = client.database("admin").run_command(doc! { "buildInfo": 1 }).await?;
    if let Ok(version) = info.get_str("secantusVersion") {
        return Ok(format!("MongoDB-compatible (SecantusDB {version})"));
    }
    Ok(format!("MongoDB {}", info.get_str("version")?))
}

/// What a PostgreSQL server says that it is.
///
/// # Errors
/// When it does not answer.
pub async fn postgres_version(url: &str) -> Told {
    let mut connection = PgConnection::connect(url).await?;
    let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(&mut connection).await?;
    // Distributors add who built it: "15.18 (Debian 15.18-0+deb12u1)".
    Ok(format!("PostgreSQL {}", version.split(' ').next().unwrap_or(&version)))
}

/// What a broker says that it is.
///
/// # Errors
/// When it does not answer, or refuses the user.
pub async fn rabbitmq_version(url: &str) -> Told {
    // The whole handshake, so that a wrong password shows here and not in every test.
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    connection.close(200, "done".into()).await?;
    let uri: AMQPUri = url.parse()?;
    if uri.scheme == AMQPScheme::AMQPS {
        return Ok("RabbitMQ, over TLS".to_owned());
    }
    let greeting = greeting(&uri.authority.host, uri.authority.port)?;
    let version = property(&greeting, "version").ok_or("it does not tell its version")?;
    Ok(format!("{} {version}", property(&greeting, "product").unwrap_or_else(|| "a broker".to_owned())))
}

/// The first frame that a broker sends, which lapin reads and does not show.
fn greeting(host: &str, port: u16) -> Result<Vec<u8>, Box<dyn Error>> {
    let address = (host, port).to_socket_addrs()?.next().ok_or("its host has no address")?;
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(b"AMQP\x00\x00\x09\x01")?;
    let mut header = [0; 7];
    stream.read_exact(&mut header)?;
    let length = u32::from_be_bytes([header[3], header[4], header[5], header[6]]);
    let mut payload = Vec::new();
    stream.take(u64::from(length.min(1 << 16))).read_to_end(&mut payload)?;
    Ok(payload)
}

/// A string of the table in the greeting: the name, its type `S`, a length, the text.
fn property(greeting: &[u8], name: &str) -> Option<String> {
    let length = u8::try_from(name.len()).ok()?;
    let key = [&[length], name.as_bytes(), b"S"].concat();
    let at = greeting.windows(key.len()).position(|window| window == key)? + key.len();
    let length = u32::from_be_bytes(greeting.get(at..at + 4)?.try_into().ok()?);
    let text = greeting.get(at + 4..at + 4 + usize::try_from(length).ok()?)?;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_read_from_the_greeting() {
        let greeting =
            b"\x00\x0a\x00\x0a\x00\x09\x07productS\x00\x00\x00\x08RabbitMQ\x07versionS\x00\x00\x00\x053.1.2";
        assert_eq!(property(greeting, "product").as_deref(), Some("RabbitMQ"));
        assert_eq!(property(greeting, "version").as_deref(), Some("3.1.2"));
        assert_eq!(property(greeting, "platform"), None);
        assert_eq!(property(b"\x07versionS\x00\x00\x00\xff3", "version"), None);
    }
}

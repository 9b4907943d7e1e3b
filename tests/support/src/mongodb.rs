//! A MongoDB database for one test.

use mongodb::Client;
use mongodb::bson::{Document, doc};
use uuid::Uuid;

use crate::cleanup;
use crate::postgres::with_database;
use crate::server::Server;

/// A database of a fresh name; MongoDB makes it at the first write. Dropped with
/// this value at the latest.
#[derive(Debug)]
pub struct TestMongo {
    name: String,
    url: String,
    dropped: bool,
}

/// Names a database on the server of `ACCRUE_TEST_MONGODB_URL`, or skips.
///
/// # Panics
/// When the server is required and not there.
pub async fn mongodb() -> Option<TestMongo> {
    Some(TestMongo::on(&Server::MongoDb.url_or_skip()?))
}

/// A database in the URL also says where the user is looked up, unless
/// `authSource` does: the user of a server's URL is one of `admin`.
fn keep_auth_source(server_url: &str, url: String) -> String {
    if !server_url.contains('@') || server_url.contains("authSource=") {
        return url;
    }
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}authSource=admin")
}

impl TestMongo {
    pub(crate) fn on(server_url: &str) -> Self {
        let name = format!("t_{}", Uuid::new_v4().simple());
        let url = keep_auth_source(server_url, with_database(server_url, &name));
        Self { name, url, dropped: false }
    }

    /// The URL, with the database in it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A copy of all documents, as a backup is one. Indexes are made again by who uses it.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn back_up(&self) -> Self {
        let name = format!("t_{}", Uuid::new_v4().simple());
        copy(&self.url, &self.name, &name).await.expect("the MongoDB server under test copies a database");
        let url = self.url.replace(&self.name, &name);
        Self { name, url, dropped: false }
    }

    /// Becomes what `backup` is.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn restore(&self, backup: &Self) {
        let restored = async {
            drop_by_name(&self.url, &self.name).await?;
            copy(&self.url, &backup.name, &self.name).await
        };
        restored.await.expect("the MongoDB server under test restores a database");
    }

    /// Drops the database.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn drop_database(mut self) {
        self.dropped = true;
        drop_by_name(&self.url, &self.name).await.expect("the MongoDB server under test drops a database");
    }
}

impl Drop for TestMongo {
    fn drop(&mut self) {
        if self.dropped {
            return;
        }
        let (url, name) = (self.url.clone(), self.name.clone());
        cleanup::run(async move { drop(drop_by_name(&url, &name).await) });
    }
}

/// Collection by collection, document by document: tests have few.
async fn copy(url: &str, from: &str, to: &str) -> mongodb::error::Result<()> {
    let client = Client::with_uri_str(url).await?;
    let (from, to) = (client.database(from), client.database(to));
    for name in from.list_collection_names().await? {
        let mut documents = from.collection::<Document>(&name).find(doc! {}).await?;
        while documents.advance().await? {
            to.collection::<Document>(&name).insert_one(documents.deserialize_current()?).await?;
        }
    }
    client.shutdown().await;
    Ok(())
}

async fn drop_by_name(url: &str, name: &str) -> mongodb::error::Result<()> {
    let client = Client::with_uri_str(url).await?;
    client.database(name).drop().await?;
    client.shutdown().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_still_looked_up_in_admin() {
        let url = |server: &str| keep_auth_source(server, with_database(server, "x"));
        assert_eq!(url("mongodb://u:p@h:1/"), "mongodb://u:p@h:1/x?authSource=admin");
        assert_eq!(url("mongodb://u:p@h/?a=b"), "mongodb://u:p@h/x?a=b&authSource=admin");
        assert_eq!(url("mongodb://u:p@h/?authSource=y"), "mongodb://u:p@h/x?authSource=y");
        assert_eq!(url("mongodb://h"), "mongodb://h/x");
    }

    #[tokio::test]
    async fn each_test_has_a_database_of_its_own() {
        let Some(one) = mongodb().await else { return };
        let Some(other) = mongodb().await else { return };
        let client = Client::with_uri_str(one.url()).await.expect("a URL of the driver's kind");
        let named = client.default_database().expect("the URL names a database");
        named.collection::<Document>("c").insert_one(doc! { "a": 1 }).await.expect("it can be written");
        let count = client.database(&other.name).collection::<Document>("c").count_documents(doc! {}).await;
        assert_eq!(count.expect("it can be read"), 0);
        one.drop_database().await;
        let count = named.collection::<Document>("c").count_documents(doc! {}).await;
        assert_eq!(count.expect("it can be read"), 0);
    }
}

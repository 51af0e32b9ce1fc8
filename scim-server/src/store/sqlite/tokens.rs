//! Service tokens in the database.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rusqlite::Row;
use rusqlite::types::FromSqlError;

use super::aside::Lane;
use super::feed::time;
use super::{SqliteStore, read};
use crate::auth::{TenantId, TokenId, TokenRecord, TokenStore, TokenStoreError};
use crate::store::StoreError;

const COLUMNS: &str =
    "k.id, t.name, k.name, k.hash, k.scopes, k.user, k.created, k.expires, k.revoked, k.last_used
     FROM token k JOIN tenant t ON t.id = k.tenant";

impl From<StoreError> for TokenStoreError {
    fn from(error: StoreError) -> Self {
        TokenStoreError::Backend(Box::new(error))
    }
}

#[async_trait]
impl TokenStore for SqliteStore {
    async fn token_find(&self, id: &TokenId) -> Result<Option<TokenRecord>, TokenStoreError> {
        let found = self.readers.with(|connection| {
            let sql = format!("SELECT {COLUMNS} WHERE k.id = ?1");
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query([id.as_str()])?;
            rows.next()?.map(record).transpose()
        })?;
        Ok(found)
    }

    async fn token_insert(&self, token: TokenRecord) -> Result<(), TokenStoreError> {
        let new = self
            .writer
            .call(move |connection| {
                let tenant = read::tenant(connection, &token.tenant)?;
                let millis = |time: &DateTime<Utc>| time.timestamp_millis();
                let new = connection
                    .prepare_cached(
                        "INSERT INTO token (id, tenant, name, hash, scopes, user, created, expires, revoked, last_used)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
                    )?
                    .execute((
                        token.id.as_str(),
                        tenant,
                        &token.name,
                        token.hash.as_slice(),
                        token.scopes.to_string(),
                        &token.user,
                        millis(&token.created),
                        token.expires.as_ref().map(millis),
                        token.revoked.as_ref().map(millis),
                        token.last_used.as_ref().map(millis),
                    ))?;
                Ok(new > 0)
            })
            .await?;
        if new { Ok(()) } else { Err(TokenStoreError::Exists) }
    }

    async fn token_list(&self, tenant: &TenantId) -> Result<Vec<TokenRecord>, TokenStoreError> {
        let tenant = tenant.clone();
        let list = self
            .read_aside(Lane::Single, move |connection, _| {
                let sql = format!("SELECT {COLUMNS} WHERE t.name = ?1 ORDER BY k.created, k.id");
                let mut statement = connection.prepare_cached(&sql)?;
                let mut rows = statement.query([tenant.as_str()])?;
                let mut list = Vec::new();
                while let Some(row) = rows.next()? {
                    list.push(record(row)?);
                }
                Ok(list)
            })
            .await?;
        Ok(list)
    }

    async fn token_revoke(&self, id: &TokenId, at: DateTime<Utc>) -> Result<bool, TokenStoreError> {
        let id = id.clone();
        let revoked = self
            .writer
            .call(move |connection| {
                let done = connection
                    .prepare_cached(
                        "UPDATE token SET revoked = ?2 WHERE id = ?1 AND revoked IS NULL",
                    )?
                    .execute((id.as_str(), at.timestamp_millis()))?;
                Ok(done > 0)
            })
            .await?;
        Ok(revoked)
    }

    async fn token_touch(&self, id: &TokenId, at: DateTime<Utc>) -> Result<(), TokenStoreError> {
        let id = id.clone();
        self.writer
            .call(move |connection| {
                connection
                    .prepare_cached(
                        "UPDATE token SET last_used = ?2
                         WHERE id = ?1 AND (last_used IS NULL OR last_used < ?2)",
                    )?
                    .execute((id.as_str(), at.timestamp_millis()))?;
                Ok(())
            })
            .await?;
        Ok(())
    }
}

fn record(row: &Row<'_>) -> Result<TokenRecord, StoreError> {
    let text = |column: usize| -> Result<String, StoreError> { Ok(row.get(column)?) };
    let optional = |column: usize| -> Result<Option<DateTime<Utc>>, StoreError> {
        row.get::<_, Option<i64>>(column)?.map(time).transpose()
    };
    let hash = row.get_ref(3)?.as_blob().map_err(StoreError::backend)?;
    let hash = hash.try_into().map_err(|_| StoreError::backend(FromSqlError::InvalidType))?;
    Ok(TokenRecord {
        id: text(0)?.parse().map_err(StoreError::backend)?,
        tenant: text(1)?.parse().map_err(StoreError::backend)?,
        name: text(2)?,
        hash,
        scopes: text(4)?.parse().map_err(StoreError::backend)?,
        user: row.get(5)?,
        created: time(row.get(6)?)?,
        expires: optional(7)?,
        revoked: optional(8)?,
        last_used: optional(9)?,
    })
}

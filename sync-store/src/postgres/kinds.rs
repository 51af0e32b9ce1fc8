//! The tables that a state consists of, as what travels: each row, or all rows of one owner, under a key.

/// A table.
pub(super) struct Kind {
    /// Its number in the database; never given to another.
    pub(super) number: i16,
    table: &'static str,
    /// The key of a row `ROW`.
    key: &'static str,
    /// The condition for the rows of a key, whose parts are separated by spaces.
    by_key: &'static str,
    pub(super) parts: usize,
    columns: &'static [&'static str],
}

impl Kind {
    /// The rows of a key.
    pub(super) fn select(&self) -> String {
        let Self { table, by_key, columns, .. } = self;
        format!("SELECT {} FROM {table} WHERE {by_key}", columns.join(", "))
    }

    /// Removes the rows of a key.
    pub(super) fn delete(&self) -> String {
        format!("DELETE FROM {} WHERE {}", self.table, self.by_key)
    }

    /// Removes everything.
    pub(super) fn clear(&self) -> String {
        format!("DELETE FROM {}", self.table)
    }

    /// Adds a row.
    pub(super) fn insert(&self) -> String {
        let places: Vec<String> = (1..=self.columns.len()).map(|n| format!("?{n}")).collect();
        let (columns, places) = (self.columns.join(", "), places.join(", "));
        format!("INSERT INTO {} ({columns}) VALUES ({places})", self.table)
    }

    /// Keeps in a table of the connection which keys were written since the transaction began.
    pub(super) fn triggers(&self) -> String {
        let Self { number, table, key, .. } = self;
        [("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")]
            .map(|(event, row)| {
                let key = key.replace("ROW", row);
                format!(
                    "CREATE TEMP TRIGGER changed_{table}_{event} AFTER {event} ON main.{table} BEGIN \
                     INSERT INTO changed (kind, key) VALUES ({number}, {key}) ON CONFLICT DO NOTHING; END;"
                )
            })
            .concat()
    }
}

/// The kind of what gives out row numbers, which is no table of ours.
pub(super) const SEQUENCE: i16 = 0;

const ID: &str = "ROW.id || ''";

/// All of them.
pub(super) const KINDS: [Kind; 11] = [
    Kind {
        number: 1,
        table: "connector",
        key: ID,
        by_key: "id = ?1",
        parts: 1,
        columns: &["id", "name", "state"],
    },
    Kind {
        number: 2,
        table: "metaverse",
        key: ID,
        by_key: "id = ?1",
        parts: 1,
        columns: &["id", "object_type", "body"],
    },
    Kind {
        number: 3,
        table: "dirty",
        key: "ROW.metaverse || ''",
        by_key: "metaverse = ?1",
        parts: 1,
        columns: &["metaverse"],
    },
    // All keys of an identity together: they are written together.
    Kind {
        number: 4,
        table: "metaverse_key",
        key: "ROW.metaverse || ''",
        by_key: "metaverse = ?1",
        parts: 1,
        columns: &["attribute", "value", "metaverse"],
    },
    Kind {
        number: 5,
        table: "object",
        key: ID,
        by_key: "id = ?1",
        parts: 1,
        columns: &[
            "id",
            "connector",
            "kind",
            "pending_import",
            "pending_export",
            "metaverse",
            "object_type",
            "anchor",
            "dn",
            "dn_key",
            "body",
        ],
    },
    Kind {
        number: 6,
        table: "seen",
        key: "ROW.object || ''",
        by_key: "object = ?1",
        parts: 1,
        columns: &["object", "read"],
    },
    Kind {
        number: 7,
        table: "object_key",
        key: "ROW.object || ''",
        by_key: "object = ?1",
        parts: 1,
        columns: &["attribute", "value", "object"],
    },
    // One by one: a group may have a hundred thousand.
    Kind {
        number: 8,
        table: "edge",
        key: "ROW.source || ' ' || ROW.target || ' ' || lower(ROW.attribute)",
        by_key: "source = ?1 AND target = ?2 AND attribute = ?3",
        parts: 3,
        columns: &["source", "attribute", "target"],
    },
    Kind {
        number: 9,
        table: "escrow",
        key: "ROW.object || ''",
        by_key: "object = ?1",
        parts: 1,
        columns: &["object", "next", "body"],
    },
    Kind {
        number: 10,
        table: "run",
        key: "ROW.number || ''",
        by_key: "number = ?1",
        parts: 1,
        columns: &["number", "ended", "body"],
    },
    Kind {
        number: 11,
        table: "fact",
        key: "ROW.name",
        by_key: "name = ?1",
        parts: 1,
        columns: &["name", "value"],
    },
];

/// The kind with this number.
pub(super) fn numbered(number: i16) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.number == number)
}

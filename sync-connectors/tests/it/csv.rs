//! Files of comma separated values.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use futures::TryStreamExt as _;
use scim_sync::connector::{
    AttributeEdit, ExportOperation, ExportOutcome, ExportWrite, FailureKind, ImportChange,
    ImportEnd, ImportMode, ImportRequest, ImportShape, ImportedObject, MatchQuery, ReferenceEdit,
    ReferenceTo,
};
use scim_sync::{AttributeName, AttributeSet, Connector, ConnectorError, SpaceId};
use scim_sync_connectors::csv::{CsvConnector, CsvFile};

const PEOPLE: &str =
    "\u{feff}id,name,mail,manager\r\n1,\"King, Ada\",ada@x.test|king@x.test,\r\n2,Grace,,1\r\n";

fn connector(folder: &Path) -> CsvConnector {
    let file = CsvFile {
        path: folder.join("people.csv"),
        anchor: "ID".to_owned(),
        separator: ',',
        value_separator: '|',
        multi_valued: vec!["mail".to_owned()],
        references: vec!["manager".to_owned()],
    };
    CsvConnector::new("hr".into(), BTreeMap::from([("person".into(), file)])).unwrap()
}

fn shape() -> ImportShape {
    let names = ["name", "mail", "manager"].map(AttributeName::from).to_vec();
    ImportShape { types: BTreeMap::from([("person".into(), names)]) }
}

async fn import(
    connector: &CsvConnector,
    mode: ImportMode,
) -> Result<(Vec<ImportedObject>, ImportEnd), ConnectorError> {
    let pages: Vec<_> =
        connector.import(ImportRequest { mode, shape: shape() }).try_collect().await?;
    let end = pages.last().unwrap().end.clone().unwrap();
    let objects = pages.into_iter().flat_map(|page| page.changes).map(|change| match change {
        ImportChange::Object(object) => object,
        other => panic!("{other:?}"),
    });
    Ok((objects.collect(), end))
}

#[tokio::test]
async fn a_file_is_read_and_read_again_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("people.csv");
    fs::write(&path, PEOPLE).unwrap();
    let connector = connector(folder.path());
    let (objects, end) = import(&connector, ImportMode::Full).await.unwrap();
    assert!(end.sweep);
    assert_eq!(objects[0].attributes.get(&"name".into()), ["King, Ada".into()]);
    assert_eq!(objects[0].attributes.get(&"MAIL".into()).len(), 2);
    assert_eq!(objects[1].references[&"manager".into()], [ReferenceTo::Anchor("1".into())]);

    let mark = end.watermark.unwrap();
    let (objects, end) = import(&connector, ImportMode::Delta(mark.clone())).await.unwrap();
    assert_eq!((objects.len(), end.sweep), (0, false));
    fs::write(&path, PEOPLE.replace("Grace", "Grace M.")).unwrap();
    let error = import(&connector, ImportMode::Delta(mark)).await.unwrap_err();
    assert!(matches!(error, ConnectorError::WatermarkRefused(_)), "{error}");
}

#[tokio::test]
async fn a_bad_file_never_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("people.csv");
    let connector = connector(folder.path());
    for (bytes, says) in [
        ("id,name,mail,manager\n1,Ada,a@x.test,\n2,Gra", "line: 3"),
        ("id,name,mail,manager\n1,Ada,,\n1,Grace,,\n", "1 is there twice"),
        ("id,name,mail,manager\n,Ada,,\n", "line 2 has nothing"),
        ("name,mail,manager\nAda,,\n", "no column ID"),
        ("id,name,NAME\n", "two columns NAME"),
        ("", "no column ID"),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = import(&connector, ImportMode::Full).await.unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("people.csv"), "{error}");
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(
        import(&connector, ImportMode::Full).await,
        Err(ConnectorError::Unreachable(_))
    ));
}

#[tokio::test]
async fn lines_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("people.csv");
    fs::write(&path, PEOPLE).unwrap();
    let connector = connector(folder.path());
    let write =
        |operation| ExportWrite { object: SpaceId(1), object_type: "person".into(), operation };
    let create = |id: &str| {
        let attributes =
            AttributeSet::new().with("id", id).with("name", "Mary \"S\"").with("mail", "m@x.test");
        write(ExportOperation::Create {
            attributes,
            references: BTreeMap::from([("manager".into(), vec!["2".into()])]),
        })
    };
    let edit = |after: &[&str]| AttributeEdit {
        before: Vec::new(),
        after: after.iter().map(|text| (*text).into()).collect(),
    };
    let update = |name: &str, after: &[&str]| {
        write(ExportOperation::Update {
            anchor: "2".into(),
            version: None,
            current: AttributeSet::new(),
            attributes: BTreeMap::from([(name.into(), edit(after))]),
            references: BTreeMap::from([(
                "manager".into(),
                ReferenceEdit { add: Vec::new(), remove: vec!["1".into()] },
            )]),
        })
    };
    let delete = write(ExportOperation::Delete { anchor: "1".into(), version: None });
    let writes = vec![
        create("3"),
        create("3"),
        update("mail", &["g@x.test", "h@x.test"]),
        update("name", &["a", "b"]),
        update("mail", &["a|b"]),
        update("shoe", &["44"]),
        delete,
    ];
    let outcomes = connector.export(writes).await.unwrap();
    let kinds: Vec<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            ExportOutcome::Done(_) => None,
            ExportOutcome::Failed(failure) => Some(failure.kind),
        })
        .collect();
    use FailureKind::{NotUnique, Refused};
    assert_eq!(
        kinds,
        [None, Some(NotUnique), None, Some(Refused), Some(Refused), Some(Refused), None]
    );
    let written = fs::read_to_string(&path).unwrap();
    assert_eq!(
        written,
        "id,name,mail,manager\n2,Grace,g@x.test|h@x.test,\n3,\"Mary \"\"S\"\"\",m@x.test,2\n"
    );

    let query = MatchQuery {
        object_type: "person".into(),
        attribute: "mail".into(),
        value: "h@x.test".into(),
        limit: 2,
    };
    assert_eq!(connector.find(&query, &shape()).await.unwrap()[0].anchor, "2".into());
    assert_eq!(connector.read(&["3".into()], &shape()).await.unwrap().len(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_keeps_its_rights_and_is_left_alone_where_nothing_changes() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("people.csv");
    fs::write(&path, PEOPLE).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let connector = connector(folder.path());
    let update = |before: &str, after: &str| {
        let edit = AttributeEdit { before: vec![before.into()], after: vec![after.into()] };
        vec![ExportWrite {
            object: SpaceId(1),
            object_type: "person".into(),
            operation: ExportOperation::Update {
                anchor: "2".into(),
                version: None,
                current: AttributeSet::new(),
                attributes: BTreeMap::from([("name".into(), edit)]),
                references: BTreeMap::new(),
            },
        }]
    };
    let before = fs::metadata(&path).unwrap();
    connector.export(update("Grace", "Grace")).await.unwrap();
    assert_eq!(fs::metadata(&path).unwrap().ino(), before.ino(), "the same file");
    assert_eq!(fs::read_to_string(&path).unwrap(), PEOPLE);
    connector.export(update("Grace", "Grace M.")).await.unwrap();
    let after = fs::metadata(&path).unwrap();
    assert_ne!(after.ino(), before.ino());
    assert_eq!(after.mode() & 0o777, 0o640);
    assert!(fs::read_to_string(&path).unwrap().contains("Grace M."));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

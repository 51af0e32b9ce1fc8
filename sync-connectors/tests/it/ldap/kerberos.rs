//! A real domain controller that demands strong sign-ins, and its Kerberos server.

use std::time::Duration;

use scim_sync::ConnectorError;
use scim_sync::connector::ImportShape;
use scim_sync_connectors::ldap::{
    KerberosAccount, LdapBind, LdapConfig, LdapConnector, LdapLimits, LdapServer,
};
use secrecy::SecretString;
use testkit::Samba;

use super::{Picture, full, shape};

fn config(samba: &Samba, account: KerberosAccount) -> LdapConfig {
    let server = LdapServer::new(samba.ldaps_uri());
    let bind = LdapBind::Kerberos(account);
    LdapConfig {
        ca_file: Some(samba.ca().to_owned()),
        // Several pages.
        limits: LdapLimits { page: 50, ..LdapLimits::default() },
        ..LdapConfig::active_directory("ad", server, bind, samba.base())
    }
}

fn account(samba: &Samba) -> KerberosAccount {
    let (name, password) = samba.sync_account();
    KerberosAccount { kdc: Some(samba.kdc()), ..KerberosAccount::new(name, password) }
}

fn users() -> ImportShape {
    shape(&[("user", &["cn", "mail", "objectGUID"]), ("group", &["cn", "member"])])
}

async fn refused(config: LdapConfig) -> ConnectorError {
    LdapConnector::new(config).unwrap().probe().await.expect_err("signed in all the same")
}

#[tokio::test]
async fn an_account_signs_in_by_kerberos_and_reads() {
    let samba = Samba::start_with(60, &[("SAMBA_STRONG_AUTH", "allow_sasl_over_tls")]);
    let (name, password) = samba.sync_account();
    let simple =
        LdapConfig { bind: LdapBind::simple(name, password), ..config(&samba, account(&samba)) };
    let expected = Picture::of(&full(&LdapConnector::new(simple).unwrap(), &users()).await);

    let by_kerberos = LdapConnector::new(config(&samba, account(&samba))).unwrap();
    let picture = Picture::of(&full(&by_kerberos, &users()).await);
    assert!(picture.objects.len() > 150, "{}", picture.objects.len());
    picture.assert_is(&expected, "signed in by Kerberos");

    // By StartTLS, by the bare name, and with the realm said.
    let (bare, suffix) = name.split_once('@').unwrap();
    let said = KerberosAccount {
        name: bare.to_owned(),
        realm: Some(suffix.to_uppercase()),
        ..account(&samba)
    };
    let start_tls = LdapConfig {
        servers: vec![LdapServer::new(samba.ldap_uri()).with_start_tls()],
        ..config(&samba, said)
    };
    let probe = LdapConnector::new(start_tls).unwrap().probe().await.unwrap();
    assert!(probe.dirsync);

    // By a name with another suffix, which only the domain can tell the account of.
    samba.set(&samba.dn_of(bare), "userPrincipalName", Some("reader@mail.example"));
    let other = KerberosAccount { name: "reader@mail.example".to_owned(), ..account(&samba) };
    assert!(LdapConnector::new(config(&samba, other)).unwrap().probe().await.is_ok());

    what_is_wrong_is_said(&samba).await;
}

async fn what_is_wrong_is_said(samba: &Samba) {
    let with = |account: KerberosAccount| refused(config(samba, account));

    let wrong = KerberosAccount { password: SecretString::from("another one"), ..account(samba) };
    let error = with(wrong).await;
    assert!(matches!(error, ConnectorError::Credentials(_)), "{error:?}");
    assert!(error.to_string().contains("password of the account"), "{error}");
    assert!(!error.to_string().contains("another one"), "{error}");

    let nobody = KerberosAccount { name: "nobody".to_owned(), ..account(samba) };
    let error = with(nobody).await;
    assert!(matches!(error, ConnectorError::Credentials(_)), "{error:?}");
    assert!(error.to_string().contains("does not know the account nobody"), "{error}");

    let elsewhere =
        KerberosAccount { realm: Some("ELSEWHERE.EXAMPLE".to_owned()), ..account(samba) };
    let error = with(elsewhere).await;
    assert!(error.to_string().contains("ELSEWHERE.EXAMPLE"), "{error}");

    let closed = KerberosAccount { kdc: Some("127.0.0.1:1".to_owned()), ..account(samba) };
    let error = with(closed).await;
    assert!(matches!(error, ConnectorError::Unreachable(_)), "{error:?}");
    assert!(error.to_string().contains("the Kerberos server 127.0.0.1:1"), "{error}");

    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kdc = Some(silent.local_addr().unwrap().to_string());
    let mut impatient = config(samba, KerberosAccount { kdc, ..account(samba) });
    impatient.limits.connect = Duration::from_secs(2);
    let error = refused(impatient).await;
    assert!(error.to_string().contains("did not answer within 2 s"), "{error}");

    // The account signs in with the key of its password only as long as it may.
    let dn = samba.dn_of("svc-sync");
    samba.set(&dn, "userAccountControl", Some("66050"));
    let error = with(account(samba)).await;
    assert!(error.to_string().contains("disabled"), "{error}");
}

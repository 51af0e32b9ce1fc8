use rcgen::{BasicConstraints, CertificateSigningRequestParams, IsCa, Issuer};

use super::*;

/// A service that signs, as far as an identity is concerned.
struct Signer {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Signer {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(parameters, key), pem }
    }

    fn sign(&self, request: &str) -> Issued {
        let request = CertificateSigningRequestParams::from_pem(request).unwrap();
        Issued {
            about: About {
                agent_id: "a-1".to_owned(),
                tenant: "contoso".to_owned(),
                trust: Trust::Authority,
                renew_after: "2030-01-01T00:00:00Z".parse().unwrap(),
            },
            certificate: request.signed_by(&self.issuer).unwrap().pem(),
            authority: self.pem.clone(),
        }
    }
}

fn enrolled(folder: &IdentityFolder, signer: &Signer) -> Identity {
    let pending = folder.begin().unwrap();
    let identity = folder.keep(&pending, &signer.sign(&pending.request().unwrap())).unwrap();
    folder.promote(&identity).unwrap();
    identity
}

fn folder() -> (tempfile::TempDir, IdentityFolder) {
    let home = tempfile::tempdir().unwrap();
    let folder = IdentityFolder::new(home.path().join("identity"));
    (home, folder)
}

#[test]
fn an_identity_is_there_once_it_was_taken_into_use() {
    let (_home, folder) = folder();
    let error = folder.current().unwrap_err();
    assert!(error.to_string().contains("setup --service"), "{error}");
    let signer = Signer::new();
    let pending = folder.begin().unwrap();
    let issued = signer.sign(&pending.request().unwrap());
    folder.keep(&pending, &issued).unwrap();
    assert!(matches!(folder.current(), Err(IdentityError::None(_))));
    folder.promote(&folder.next().unwrap().unwrap()).unwrap();
    let identity = folder.current().unwrap();
    assert_eq!((identity.about.agent_id.as_str(), identity.number), ("a-1", 1));
    assert!(identity.validity().is_some());
    assert!(folder.next().unwrap().is_none());
}

#[cfg(unix)]
#[test]
fn the_key_is_its_owners_alone_and_is_not_shown() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_home, folder) = folder();
    let identity = enrolled(&folder, &Signer::new());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.key_file().unwrap()), 0o600);
    assert_eq!(mode(folder.path()), 0o700);
    assert!(!format!("{identity:?}").contains("PRIVATE KEY"));
}

#[test]
fn a_certificate_for_another_key_is_refused() {
    let (_home, folder) = folder();
    let signer = Signer::new();
    enrolled(&folder, &signer);
    let pending = folder.begin().unwrap();
    let other = CertificateParams::default().serialize_request(&KeyPair::generate().unwrap());
    let foreign = signer.sign(&other.unwrap().pem().unwrap());
    let error = folder.keep(&pending, &foreign).unwrap_err().to_string();
    assert!(error.contains("another key"), "{error}");
    let own = signer.sign(&pending.request().unwrap());
    for broken in [
        Issued { certificate: "x".to_owned(), ..own.clone() },
        Issued { authority: String::new(), ..own.clone() },
    ] {
        assert!(matches!(folder.keep(&pending, &broken), Err(IdentityError::Foreign(_))));
    }
    assert!(folder.next().unwrap().is_none(), "nothing of it was kept");
    assert_eq!(folder.current().unwrap().number, 1);
}

/// The steps of a renewal; the program may die after any of them.
#[test]
fn whatever_moment_it_dies_in_the_key_that_works_is_there() {
    // What the service has seen proven last is what it takes; until then it takes the one before too.
    for died_after in 0..=4 {
        let (_home, folder) = folder();
        let signer = Signer::new();
        let first = enrolled(&folder, &signer);
        if died_after >= 1 {
            let pending = folder.begin().unwrap();
            if died_after >= 2 {
                // The service has answered, and the answer is lost.
                let _lost = signer.sign(&pending.request().unwrap());
            }
        }
        if died_after >= 3 {
            let pending = folder.begin().unwrap();
            folder.keep(&pending, &signer.sign(&pending.request().unwrap())).unwrap();
        }
        if died_after >= 4 {
            // It was proven, and the file that names it is written; what is before it could not be removed.
            fs::write(folder.path().join(CURRENT), "2\n").unwrap();
        }

        // The next start.
        let folder = IdentityFolder::new(folder.path());
        let current = folder.current().unwrap();
        assert_eq!(current.number, if died_after >= 4 { 2 } else { 1 }, "{died_after}");
        if died_after < 4 {
            assert_eq!(current.certificate, first.certificate);
        }
        folder.tidy();
        assert_eq!(folder.generation(1).exists(), died_after < 4);
        let next = folder.next().unwrap();
        assert_eq!(next.is_some(), died_after == 3, "a whole one is tried, and no other");
        let next = match next {
            Some(next) => next,
            None => {
                let pending = folder.begin().unwrap();
                folder.keep(&pending, &signer.sign(&pending.request().unwrap())).unwrap()
            }
        };
        folder.promote(&next).unwrap();
        assert_eq!(folder.current().unwrap().certificate, next.certificate);
        assert!(!folder.generation(current.number).exists(), "the old key is gone");
    }
}

#[test]
fn files_that_were_cut_off_are_no_identity() {
    let (_home, folder) = folder();
    let signer = Signer::new();
    let identity = enrolled(&folder, &signer);
    let cut = identity.key.expose_secret()[..40].to_owned();
    let pending = folder.begin().unwrap();
    let whole = folder.keep(&pending, &signer.sign(&pending.request().unwrap())).unwrap();
    fs::write(folder.generation(2).join(KEY), &cut).unwrap();
    assert!(matches!(folder.next(), Err(IdentityError::Broken { .. })));
    folder.discard().unwrap();
    assert!(!folder.generation(2).exists());
    folder.discard().unwrap();
    drop(whole);
    for (name, text) in [(KEY, cut.as_str()), (CERTIFICATE, "x"), (ABOUT, "{"), (CURRENT, "x")] {
        let path = match name {
            CURRENT => folder.path().join(name),
            name => folder.generation(1).join(name),
        };
        let before = fs::read(&path).unwrap();
        fs::write(&path, text).unwrap();
        let error = folder.current().unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        fs::write(&path, before).unwrap();
    }
    assert!(folder.current().is_ok());
}

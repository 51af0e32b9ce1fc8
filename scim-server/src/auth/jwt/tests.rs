//! Tokens made with keys of the test, one thing wrong at a time.

use std::fs::{File, FileTimes};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, header};
use jsonwebtoken::EncodingKey;
use jsonwebtoken::jwk::Jwk;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use serde_json::json;

use super::*;
use crate::clock::{Clock, FixedClock};

const ISSUER: &str = "https://idp.example/";
const AUDIENCE: &str = "api://scim";

/// A key pair as the issuer holds it.
struct Issuer {
    pair: KeyPair,
    algorithm: Algorithm,
    signing: EncodingKey,
    kid: &'static str,
}

impl Issuer {
    fn p256(kid: &'static str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let signing = EncodingKey::from_ec_der(&pair.serialize_der());
        Self { pair, algorithm: Algorithm::ES256, signing, kid }
    }

    fn ed25519(kid: &'static str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let signing = EncodingKey::from_ed_der(&pair.serialize_der());
        Self { pair, algorithm: Algorithm::EdDSA, signing, kid }
    }

    /// The public half, as a member of a JWK set.
    fn jwk(&self) -> Value {
        let mut jwk = match self.algorithm {
            Algorithm::ES256 => {
                let mut jwk = serde_json::to_value(
                    Jwk::from_encoding_key(&self.signing, self.algorithm).unwrap(),
                )
                .unwrap();
                jwk.as_object_mut().unwrap().remove("alg");
                jwk
            }
            _ => json!({ "kty": "OKP", "crv": "Ed25519", "x": b64(self.pair.public_key_raw()) }),
        };
        jwk["kid"] = self.kid.into();
        jwk["use"] = "sig".into();
        jwk
    }

    fn header(&self) -> Header {
        Header { kid: Some(self.kid.to_owned()), ..Header::new(self.algorithm) }
    }

    fn sign(&self, claims: &Value) -> String {
        jsonwebtoken::encode(&self.header(), claims, &self.signing).unwrap()
    }

    fn sign_with(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.signing).unwrap()
    }
}

fn b64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn config(keys: KeySource) -> JwtConfig {
    JwtConfig::new(ISSUER.to_owned(), vec![AUDIENCE.to_owned(), "second".to_owned()], keys)
}

struct Bench {
    clock: FixedClock,
    issuer: Issuer,
    jwt: JwtAuthenticator,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut JwtConfig)) -> Self {
        let issuer = Issuer::p256("k1");
        let mut config = config(KeySource::Inline(set(&[issuer.jwk()]).into()));
        change(&mut config);
        let jwt = JwtAuthenticator::new(config).unwrap();
        Self { clock: FixedClock::default(), issuer, jwt }
    }

    /// Good claims, with `changes` put over them; a null takes a claim out.
    fn claims(&self, changes: &Value) -> Value {
        let now = self.clock.now().timestamp();
        let mut claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "app-1",
            "iat": now, "nbf": now, "exp": now + 600, "scope": "openid scim:write",
        });
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        claims
    }

    async fn ask(&self, token: &str) -> Result<Principal, AuthError> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
        headers.insert(header::AUTHORIZATION, value);
        let input = CredentialInput::from_headers(&headers, self.clock.now()).unwrap();
        assert!(self.jwt.accepts(&input), "{token}");
        self.jwt.authenticate(&input).await
    }

    async fn ask_with(&self, changes: &Value) -> Result<Principal, AuthError> {
        self.ask(&self.issuer.sign(&self.claims(changes))).await
    }

    async fn refuse(&self, token: &str, reason: &str) {
        let error = self.ask(token).await.expect_err(reason);
        assert!(error.to_string().contains(reason), "wanted '{reason}', got '{error}'");
        assert_eq!(error.detail(), AuthError::Revoked.detail());
    }

    async fn refuse_with(&self, changes: &Value, reason: &str) {
        let token = self.issuer.sign(&self.claims(changes));
        self.refuse(&token, reason).await;
    }
}

#[tokio::test]
async fn a_good_token_opens_the_configured_tenant() {
    let bench = Bench::new();
    let principal = bench.ask_with(&json!({})).await.unwrap();
    assert_eq!(principal.subject.as_str(), "app-1");
    assert_eq!((principal.tenant, principal.scopes), (TenantId::default(), Scopes::ALL));
    assert_eq!(principal.user, None);
    for changes in [
        json!({ "aud": ["other", AUDIENCE] }),
        json!({ "aud": "second" }),
        json!({ "nbf": null, "iat": null }),
    ] {
        assert!(bench.ask_with(&changes).await.is_ok(), "{changes}");
    }
}

#[tokio::test]
async fn claims_that_are_not_for_us_are_refused() {
    let bench = Bench::new();
    for (changes, reason) in [
        (json!({ "iss": "https://idp.example" }), "issuer"),
        (json!({ "iss": "https://evil.example/" }), "issuer"),
        (json!({ "iss": null }), "no issuer"),
        (json!({ "iss": 7 }), "no issuer"),
        (json!({ "aud": "api://other" }), "audience"),
        (json!({ "aud": "API://SCIM" }), "audience"),
        (json!({ "aud": [] }), "audience"),
        (json!({ "aud": null }), "no audience"),
        (json!({ "aud": { "a": 1 } }), "no audience"),
        (json!({ "sub": null }), "subject"),
        (json!({ "sub": "" }), "subject"),
        (json!({ "sub": "a\nb" }), "subject"),
        (json!({ "sub": 7 }), "subject"),
        (json!({ "exp": null }), "does not expire"),
        (json!({ "exp": "never" }), "exp is no date"),
        (json!({ "exp": -1 }), "exp is no date"),
        (json!({ "exp": u64::MAX }), "exp is no date"),
        (json!({ "exp": 1e300 }), "exp is no date"),
        (json!({ "nbf": "now" }), "nbf is no date"),
    ] {
        bench.refuse_with(&changes, reason).await;
    }
}

#[tokio::test]
async fn times_are_those_of_the_given_clock_with_leeway_to_the_second() {
    let bench = Bench::new();
    let now = bench.clock.now().timestamp();
    assert!(bench.ask_with(&json!({ "exp": now - 59 })).await.is_ok());
    assert!(matches!(bench.ask_with(&json!({ "exp": now - 60 })).await, Err(AuthError::Expired)));
    assert!(bench.ask_with(&json!({ "nbf": now + 60 })).await.is_ok());
    bench.refuse_with(&json!({ "nbf": now + 61 }), "not valid yet").await;
    assert!(bench.ask_with(&json!({ "exp": now as f64 - 59.5 })).await.is_ok());

    let strict = Bench::with(|config| config.leeway_seconds = 0);
    assert!(matches!(strict.ask_with(&json!({ "exp": now })).await, Err(AuthError::Expired)));
    let token = strict.issuer.sign(&strict.claims(&json!({ "exp": now + 2 })));
    assert!(strict.ask(&token).await.is_ok());
    strict.clock.advance(TimeDelta::seconds(2));
    assert!(matches!(strict.ask(&token).await, Err(AuthError::Expired)), "although cached");
}

#[tokio::test]
async fn unsigned_and_resigned_tokens_are_refused() {
    let bench = Bench::new();
    let claims = bench.claims(&json!({}));
    let good = bench.issuer.sign(&claims);
    let [head, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!() };
    for alg in ["none", "None", "NONE", "nOnE", "", "ES256K", "HS1"] {
        let head = b64(json!({ "alg": alg, "kid": "k1", "typ": "JWT" }).to_string().as_bytes());
        bench.refuse(&format!("{head}.{body}."), "header cannot be read").await;
        bench.refuse(&format!("{head}.{body}.{signature}"), "header cannot be read").await;
    }
    bench.refuse(&format!("{head}.{body}."), "signature").await;

    let richer = b64(bench.claims(&json!({ "sub": "root" })).to_string().as_bytes());
    bench.refuse(&format!("{head}.{richer}.{signature}"), "signature").await;
    let mut cut = signature.to_owned();
    cut.truncate(cut.len() - 4);
    bench.refuse(&format!("{head}.{body}.{cut}"), "signature").await;
    let flipped = if signature.starts_with('A') { 'B' } else { 'A' };
    bench.refuse(&format!("{head}.{body}.{flipped}{}", &signature[1..]), "signature").await;
    bench.refuse(&format!("{head}.{body}.{}", b64(&[0; 64])), "signature").await;

    let thief = Issuer::p256("k1");
    bench.refuse(&thief.sign(&claims), "signature").await;
    assert!(bench.ask(&good).await.is_ok());
}

#[tokio::test]
async fn a_public_key_is_never_a_shared_secret() {
    let bench = Bench::with(|config| config.algorithms.push(Algorithm::HS256));
    let header = Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::HS256) };
    let pair = &bench.issuer.pair;
    let jwk = bench.issuer.jwk().to_string();
    let secrets = [
        pair.public_key_pem().into_bytes(),
        pair.public_key_pem().trim_end().as_bytes().to_vec(),
        pair.public_key_raw().to_vec(),
        rcgen::PublicKeyData::subject_public_key_info(pair),
        jwk.into_bytes(),
        Vec::new(),
    ];
    for secret in secrets {
        let key = EncodingKey::from_secret(&secret);
        let token = jsonwebtoken::encode(&header, &bench.claims(&json!({})), &key).unwrap();
        bench.refuse(&token, "algorithm is not allowed").await;
    }
    // The other way round, and a key of another curve family.
    let ed = Issuer::ed25519("k1");
    bench.refuse(&ed.sign(&bench.claims(&json!({}))), "algorithm is not allowed").await;
}

#[tokio::test]
async fn keys_are_chosen_by_id_and_never_taken_from_the_token() {
    let (a, b) = (Issuer::p256("a"), Issuer::ed25519("b"));
    let keys = KeySource::Inline(set(&[a.jwk(), b.jwk()]).into());
    let bench = Bench { jwt: JwtAuthenticator::new(config(keys)).unwrap(), ..Bench::new() };
    let claims = bench.claims(&json!({}));
    for issuer in [&a, &b] {
        assert!(bench.ask(&issuer.sign(&claims)).await.is_ok(), "{}", issuer.kid);
        let anonymous = Header::new(issuer.algorithm);
        assert!(bench.ask(&issuer.sign_with(&anonymous, &claims)).await.is_ok());
    }
    for kid in ["c", "A", "", "a'--", "../../dev/null"] {
        let header = Header { kid: Some(kid.to_owned()), ..a.header() };
        bench.refuse(&a.sign_with(&header, &claims), "key id").await;
    }
    let crossed = Header { kid: Some("b".to_owned()), ..a.header() };
    bench.refuse(&a.sign_with(&crossed, &claims), "algorithm").await;

    let thief = Issuer::p256("a");
    let own_key = serde_json::from_value(thief.jwk()).unwrap();
    let header = Header {
        jwk: Some(own_key),
        jku: Some("https://evil.example/jwks".to_owned()),
        x5u: Some("https://evil.example/cert".to_owned()),
        ..thief.header()
    };
    bench.refuse(&thief.sign_with(&header, &claims), "signature").await;
}

#[tokio::test]
async fn without_key_id_the_choice_must_be_unambiguous() {
    let (a, b) = (Issuer::p256("a"), Issuer::p256("b"));
    let keys = KeySource::Inline(set(&[a.jwk(), b.jwk()]).into());
    let bench = Bench { jwt: JwtAuthenticator::new(config(keys)).unwrap(), ..Bench::new() };
    let claims = bench.claims(&json!({}));
    let token = a.sign_with(&Header::new(Algorithm::ES256), &claims);
    bench.refuse(&token, "which key").await;
    assert!(bench.ask(&a.sign(&claims)).await.is_ok());
}

#[tokio::test]
async fn other_kinds_of_signed_tokens_stay_out() {
    let bench = Bench::new();
    let claims = bench.claims(&json!({}));
    for typ in [None, Some("JWT"), Some("jwt"), Some("at+jwt"), Some("application/at+JWT")] {
        let header = Header { typ: typ.map(str::to_owned), ..bench.issuer.header() };
        assert!(bench.ask(&bench.issuer.sign_with(&header, &claims)).await.is_ok(), "{typ:?}");
    }
    for typ in ["logout+jwt", "secevent+jwt", "", "application/", "applicatioé/jwt"] {
        let header = Header { typ: Some(typ.to_owned()), ..bench.issuer.header() };
        bench.refuse(&bench.issuer.sign_with(&header, &claims), "of a type").await;
    }
    let header = Header { crit: Some(vec!["b64".to_owned()]), ..bench.issuer.header() };
    bench.refuse(&bench.issuer.sign_with(&header, &claims), "critical").await;
}

#[tokio::test]
async fn garbage_with_two_dots_is_refused() {
    let bench = Bench::new();
    for token in ["..", "a.b.c", "e30.e30.e30", "eyJ.eyJ.sig", "{}.{}.{}"] {
        bench.refuse(token, "header cannot be read").await;
    }
    let not_an_object = bench.issuer.sign(&json!(["a"]));
    bench.refuse(&not_an_object, "claims cannot be read").await;
    let deep = format!("{}{}", "[".repeat(3000), "]".repeat(3000));
    let header = b64(format!(r#"{{"alg":"ES256","x":{deep}}}"#).as_bytes());
    bench.refuse(&format!("{header}.e30.AA"), "header cannot be read").await;
}

#[tokio::test]
async fn scopes_come_from_the_configured_claims_and_values() {
    let bench = Bench::new();
    for (changes, expected) in [
        (json!({ "scope": "scim:read" }), Scopes::READ),
        (json!({ "scope": "openid profile" }), Scopes::NONE),
        (json!({ "scope": "scim:readwrite scim:writer WRITE" }), Scopes::NONE),
        (json!({ "scope": null }), Scopes::NONE),
        (json!({ "scope": null, "scp": "scim.read scim.write" }), Scopes::ALL),
        (json!({ "scope": null, "scp": ["scim.read"] }), Scopes::READ),
        (json!({ "scope": "read", "roles": ["write"] }), Scopes::ALL),
        (json!({ "scope": null, "groups": ["write"] }), Scopes::NONE),
        (json!({ "scope": { "write": true } }), Scopes::NONE),
        (json!({ "scope": true, "roles": [["write"], 1, null] }), Scopes::NONE),
    ] {
        assert_eq!(bench.ask_with(&changes).await.unwrap().scopes, expected, "{changes}");
    }
    let own = Bench::with(|config| config.write_values = vec!["SCIM.Provision".to_owned()]);
    let principal = own.ask_with(&json!({ "roles": ["SCIM.Provision"], "scope": "" })).await;
    assert_eq!(principal.unwrap().scopes, Scopes::ALL);
    let principal = own.ask_with(&json!({ "scope": "scim:write" })).await;
    assert_eq!(principal.unwrap().scopes, Scopes::NONE);
}

#[tokio::test]
async fn a_tenant_claim_must_be_there_and_well_formed() {
    let bench = Bench::with(|config| {
        config.tenant = TenantRule::Claim("tid".to_owned());
        config.user_claim = Some("scim_id".to_owned());
    });
    let principal = bench.ask_with(&json!({ "tid": "acme", "scim_id": "u-1" })).await.unwrap();
    assert_eq!((principal.tenant.as_str(), principal.user.as_deref()), ("acme", Some("u-1")));
    assert_eq!(bench.ask_with(&json!({ "tid": "acme" })).await.unwrap().user, None);
    for tenant in
        [json!(null), json!(""), json!("../acme"), json!("ACME"), json!(["acme"]), json!(1)]
    {
        bench.refuse_with(&json!({ "tid": tenant }), "names no tenant").await;
    }
    for user in [json!(""), json!(7), json!("a\u{0}b"), json!(["u-1"])] {
        bench.refuse_with(&json!({ "tid": "acme", "scim_id": user }), "no resource id").await;
    }
}

#[tokio::test]
async fn shared_secrets_work_inline_only_and_only_when_long_enough() {
    let secret = [7_u8; 32];
    let oct = json!({ "kty": "oct", "kid": "h", "k": b64(&secret) });
    let hmac_config = |json: String| {
        let mut config = config(KeySource::Inline(json.into()));
        config.algorithms = vec![Algorithm::HS256, Algorithm::HS384];
        config
    };
    let jwt = JwtAuthenticator::new(hmac_config(set(std::slice::from_ref(&oct)))).unwrap();
    assert!(!format!("{jwt:?}").contains(&b64(&secret)));
    let bench = Bench { jwt, ..Bench::new() };
    let sign = |alg| {
        let header = Header { kid: Some("h".to_owned()), ..Header::new(alg) };
        let key = EncodingKey::from_secret(&secret);
        jsonwebtoken::encode(&header, &bench.claims(&json!({})), &key).unwrap()
    };
    assert!(bench.ask(&sign(Algorithm::HS256)).await.is_ok());
    bench.refuse(&sign(Algorithm::HS384), "algorithm").await;
    bench.refuse(&sign(Algorithm::HS512), "algorithm").await;

    let short = set(&[json!({ "kty": "oct", "k": b64(&secret[..31]) })]);
    let unusable = |result: Result<JwtAuthenticator, InvalidJwtConfig>| {
        matches!(result, Err(InvalidJwtConfig::Keys(InvalidKeys::NoUsableKey)))
    };
    assert!(unusable(JwtAuthenticator::new(hmac_config(short))));
    let asymmetric_only = config(KeySource::Inline(set(std::slice::from_ref(&oct)).into()));
    assert!(unusable(JwtAuthenticator::new(asymmetric_only)));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jwks.json");
    std::fs::write(&path, set(&[oct])).unwrap();
    assert!(unusable(JwtAuthenticator::new(config(KeySource::File(path)))));
}

#[test]
fn unusable_keys_are_left_out_and_a_set_without_any_is_refused() {
    let good = Issuer::p256("good");
    let change = |name: &str, value: Value| {
        let mut jwk = good.jwk();
        jwk[name] = value;
        jwk
    };
    let bad = [
        change("use", "enc".into()),
        change("key_ops", json!(["sign"])),
        change("alg", "ES384".into()),
        change("alg", "RS256".into()),
        change("alg", "none".into()),
        change("crv", "P-384".into()),
        change("crv", "P-521".into()),
        change("crv", "secp256k1".into()),
        change("x", "AAAA".into()),
        change("y", "not base64!".into()),
        change("kty", "oct".into()),
        change("kty", "AKP".into()),
        json!({ "kty": "RSA", "n": b64(&[0xff; 128]), "e": "AQAB" }),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": b64(&[1; 31]) }),
        json!({ "kty": "OKP", "crv": "X25519", "x": b64(&[1; 32]) }),
        json!({}),
        json!("key"),
        json!(null),
    ];
    let open = |json: String| JwtAuthenticator::new(config(KeySource::Inline(json.into())));
    for jwk in &bad {
        let alone = open(set(std::slice::from_ref(jwk)));
        assert!(
            matches!(alone, Err(InvalidJwtConfig::Keys(InvalidKeys::NoUsableKey))),
            "{jwk}: {alone:?}"
        );
    }
    let mut with_good = bad.to_vec();
    with_good.push(good.jwk());
    assert!(open(set(&with_good)).is_ok());
    for text in ["", "{}", "[]", "{\"keys\":", "{\"keys\":\"canary\"}", "null"] {
        let error = open(text.to_owned()).unwrap_err();
        assert!(matches!(error, InvalidJwtConfig::Keys(InvalidKeys::Json { .. })), "{text}");
        assert!(!format!("{error:?}").contains("canary"));
    }
    let missing = JwtAuthenticator::new(config(KeySource::File("/nowhere/jwks.json".into())));
    assert!(matches!(missing, Err(InvalidJwtConfig::Keys(InvalidKeys::File { .. }))));
}

#[tokio::test]
async fn a_changed_key_file_is_taken_over_within_a_second_and_a_broken_one_is_not() {
    let (old, new) = (Issuer::p256("old"), Issuer::p256("new"));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jwks.json");
    // Each version gets its own time, so the test does not depend on the file system's clock.
    let write = |text: &str, version: u64| {
        std::fs::write(&path, text).unwrap();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + version);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_times(FileTimes::new().set_modified(modified)).unwrap();
    };
    write(&set(&[old.jwk()]), 1);
    let jwt = JwtAuthenticator::new(config(KeySource::File(path.clone()))).unwrap();
    let bench = Bench { jwt, ..Bench::new() };
    let claims = bench.claims(&json!({}));
    let (by_old, by_new) = (old.sign(&claims), new.sign(&claims));
    assert!(bench.ask(&by_old).await.is_ok());
    assert!(bench.ask(&by_new).await.is_err());

    write(&set(&[new.jwk()]), 2);
    bench.clock.advance(TimeDelta::milliseconds(999));
    assert!(bench.ask(&by_new).await.is_err(), "looked at once a second only");
    bench.clock.advance(TimeDelta::milliseconds(1));
    assert!(bench.ask(&by_new).await.is_ok());
    bench.refuse(&by_old, "key id").await;

    for broken in ["{", "{\"keys\":[]}", "{\"keys\":[{\"kty\":\"EC\"}]}"] {
        write(broken, 3 + broken.len() as u64);
        bench.clock.advance(TimeDelta::seconds(1));
        assert!(bench.ask(&by_new).await.is_ok(), "{broken}");
    }
    std::fs::remove_file(&path).unwrap();
    bench.clock.advance(TimeDelta::seconds(1));
    assert!(bench.ask(&by_new).await.is_ok(), "gone");
    write(&set(&[old.jwk(), new.jwk()]), 90);
    bench.clock.advance(TimeDelta::seconds(1));
    assert!(bench.ask(&by_old).await.is_ok() && bench.ask(&by_new).await.is_ok());
}

#[tokio::test]
async fn an_rsa_token_verifies() {
    let pair =
        KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let signing = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap();
    let jwk = Jwk::from_encoding_key(&signing, Algorithm::RS256).unwrap();
    let mut jwk = serde_json::to_value(jwk).unwrap();
    jwk["kid"] = "r".into();
    let keys = KeySource::Inline(set(&[jwk]).into());
    let bench = Bench { jwt: JwtAuthenticator::new(config(keys)).unwrap(), ..Bench::new() };
    let sign = |alg| {
        let header = Header { kid: Some("r".to_owned()), ..Header::new(alg) };
        jsonwebtoken::encode(&header, &bench.claims(&json!({})), &signing).unwrap()
    };
    assert!(bench.ask(&sign(Algorithm::RS256)).await.is_ok());
    bench.refuse(&sign(Algorithm::PS256), "algorithm").await;
}

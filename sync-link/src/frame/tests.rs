use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use proptest::prelude::*;
use secrecy::ExposeSecret as _;

use super::{
    CancelCode, Frame, FrameError, Hello, MAX_BODY, MAX_HEAD, PREFIX, Sequence, Times,
    sequence::Hole,
};
use crate::error::EndCode;

fn headers() -> impl Strategy<Value = Vec<(HeaderName, HeaderValue)>> {
    let name = "[a-z][a-z0-9-]{0,12}".prop_filter_map("name", |name| name.parse().ok());
    let value = proptest::collection::vec(any::<u8>(), 0..24)
        .prop_filter_map("value", |bytes| HeaderValue::from_bytes(&bytes).ok());
    proptest::collection::vec((name, value), 0..5)
}

fn body() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from)
}

fn frames() -> impl Strategy<Value = Frame> {
    let times = (any::<u64>(), any::<u64>(), any::<Option<u64>>())
        .prop_map(|(deadline_ms, idle_ms, total_ms)| Times { deadline_ms, idle_ms, total_ms });
    let request = (
        (any::<u64>(), any::<u32>(), any::<u64>(), any::<bool>()),
        "/[a-z0-9/._~-]{0,20}(\\?[a-z=&]{0,9})?",
        prop_oneof![Just("GET"), Just("POST"), Just("X-MINE")],
        headers(),
        times,
        body(),
    )
        .prop_map(|((id, window, length, last), target, method, headers, times, body)| {
            let request = http::Request::builder().method(method).uri(target).body(()).unwrap();
            let mut head = Box::new(request.into_parts().0);
            head.headers.extend(headers);
            Frame::Request { id, head, times, window, length, body, last }
        });
    let response = (any::<u64>(), 100_u16..1000, headers(), body(), any::<bool>()).prop_map(
        |(id, status, headers, body, last)| {
            let response = http::Response::builder().status(status).body(()).unwrap();
            let mut head = Box::new(response.into_parts().0);
            head.headers.extend(headers);
            Frame::Response { id, head, body, last }
        },
    );
    let code = prop_oneof![
        Just(CancelCode::Cancelled),
        Just(CancelCode::Deadline),
        Just(CancelCode::Failed),
        Just(CancelCode::Busy),
        Just(CancelCode::TooLarge),
    ];
    prop_oneof![
        request,
        response,
        (any::<u64>(), body(), any::<bool>()).prop_map(|(id, body, last)| Frame::Body {
            id,
            body,
            last
        }),
        (any::<u64>(), any::<u32>()).prop_map(|(id, bytes)| Frame::Credit { id, bytes }),
        (any::<u64>(), code, ".{0,30}").prop_map(|(id, code, reason)| Frame::Cancel {
            id,
            code,
            reason
        }),
        any::<u64>().prop_map(|nonce| Frame::Ping { nonce }),
        any::<u64>().prop_map(|nonce| Frame::Pong { nonce }),
        any::<Option<u64>>().prop_map(|valid_ms| Frame::Renewed { valid_ms }),
        ".{0,30}".prop_map(|credential| Frame::Renew { credential: credential.into() }),
        (any::<u32>(), ".{0,30}", any::<u32>(), any::<u64>(), any::<u32>(), any::<bool>())
            .prop_map(|(minor, software, capacity, max_request, window, beside)| Frame::Hello(
                Hello { minor, software, capacity, max_request, window, beside }
            )),
        Just(Frame::Drain),
        Just(Frame::Drained),
        ".{0,30}".prop_map(|reason| Frame::Bye { code: EndCode::Revoked, reason }),
    ]
}

/// Everything of a frame: secrets do not show in `Debug`.
fn shown(frame: &Frame) -> String {
    match frame {
        Frame::Renew { credential } => format!("renew {}", credential.expose_secret()),
        other => format!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn what_is_sent_is_what_is_read(frame in frames(), number in any::<u64>()) {
        let before = shown(&frame);
        let message = frame.encode(number).unwrap();
        let (read, after) = Frame::decode(message).unwrap();
        prop_assert_eq!(read, number);
        prop_assert_eq!(shown(&after), before);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(Frame::decode(bytes.into()));
    }

    #[test]
    fn no_head_panics(head in "\\{\"type\":\"(hello|request|response|body|credit|bye)\".{0,60}\\}", rest in body()) {
        drop(Frame::decode(message(1, head.as_bytes(), &rest)));
    }

    #[test]
    fn a_frame_that_is_cut_is_none(frame in frames(), cut in any::<proptest::sample::Index>()) {
        let message = frame.encode(7).unwrap();
        let head = u32::from_be_bytes(message[8..12].try_into().unwrap());
        let at = cut.index(PREFIX + usize::try_from(head).unwrap());
        prop_assert!(Frame::decode(message.slice(..at)).is_err());
    }

    #[test]
    fn frames_come_once_and_in_order(
        seed in proptest::collection::vec((any::<u8>(), any::<bool>()), 1..60),
    ) {
        // Displaced by less than what is held, and some of them twice.
        let mut arrivals: Vec<(usize, u64)> = Vec::new();
        for (number, (displaced, doubled)) in (1_u64..).zip(&seed) {
            let at = arrivals.len() * 256 + usize::from(*displaced) * 8;
            arrivals.push((at, number));
            if *doubled {
                arrivals.push((at + 300, number));
            }
        }
        arrivals.sort_unstable();
        let mut sequence = Sequence::default();
        let mut taken = Vec::new();
        for (_, number) in arrivals {
            let message = Frame::Ping { nonce: number }.encode(number).unwrap();
            prop_assert_eq!(sequence.put(message).unwrap(), Ok(()));
            while let Some(frame) = sequence.take() {
                let Frame::Ping { nonce } = frame else { panic!("{frame:?}") };
                taken.push(nonce);
            }
        }
        prop_assert!(!sequence.has_hole());
        prop_assert_eq!(taken, (1..=seed.len() as u64).collect::<Vec<_>>());
    }
}

fn message(number: u64, head: &[u8], body: &[u8]) -> Bytes {
    let mut message = number.to_be_bytes().to_vec();
    message.extend(u32::try_from(head.len()).unwrap().to_be_bytes());
    message.extend(head);
    message.extend(body);
    message.into()
}

#[test]
fn what_is_missing_is_waited_for_only_so_long() {
    let mut sequence = Sequence::default();
    for number in 2..66 {
        let message = Frame::Drain.encode(number).unwrap();
        assert_eq!(sequence.put(message).unwrap(), Ok(()));
        assert!(sequence.take().is_none());
        assert!(sequence.has_hole());
    }
    assert_eq!(sequence.put(Frame::Drain.encode(66).unwrap()).unwrap(), Err(Hole));
    assert_eq!(sequence.put(Frame::Drain.encode(1).unwrap()).unwrap(), Ok(()));
    assert_eq!(std::iter::from_fn(|| sequence.take()).count(), 65);
}

#[test]
fn a_frame_of_a_newer_version_is_unknown_and_no_fault() {
    let newer = message(1, br#"{"type":"telepathy","strength":9}"#, b"mmm");
    assert!(matches!(Frame::decode(newer), Ok((1, Frame::Unknown))));
    let more = message(1, br#"{"type":"ping","nonce":4,"mood":"fine"}"#, b"");
    assert!(matches!(Frame::decode(more), Ok((1, Frame::Ping { nonce: 4 }))));
}

#[test]
fn malformed_frames_are_told_without_their_content() {
    let error = |bytes: Bytes| Frame::decode(bytes).unwrap_err();
    assert_eq!(error(Bytes::from_static(b"short")), FrameError::Short);
    assert_eq!(error(message(1, b"{}", b"").slice(..13)), FrameError::Short);
    assert_eq!(
        error(message(1, &vec![b' '; MAX_HEAD + 1], b"")),
        FrameError::HeadTooLarge(MAX_HEAD + 1)
    );
    assert_eq!(
        error(message(1, br#"{"type":"body","id":1}"#, &vec![0; MAX_BODY + 1])),
        FrameError::BodyTooLarge(MAX_BODY + 1)
    );
    assert_eq!(error(message(1, br#"{"type":"drain"}"#, b"x")), FrameError::UnexpectedBody);
    let secret = error(message(1, br#"{"type":"renew","credential":["hunter2"]}"#, b""));
    assert!(matches!(&secret, FrameError::Malformed(_)));
    assert!(!secret.to_string().contains("hunter2"), "{secret}");
    for head in [
        r#"{"type":"request","id":1,"method":"GE T","target":"/","deadlineMs":1,"idleMs":1,"window":1}"#,
        r#"{"type":"request","id":1,"method":"GET","target":"/ /","deadlineMs":1,"idleMs":1,"window":1}"#,
        r#"{"type":"response","id":1,"status":99}"#,
        r#"{"type":"response","id":1,"status":200,"headers":[["a b","c"]]}"#,
        r#"{"type":"response","id":1,"status":200,"headers":[["a","\n"]]}"#,
        r#"{"type":"response","id":1,"status":200,"headers":[["a","€"]]}"#,
        r#"{"type":"response","id":-1,"status":200}"#,
        "[]",
        "",
    ] {
        let error = error(message(1, head.as_bytes(), b""));
        assert!(matches!(error, FrameError::Malformed(_)), "{head}: {error}");
    }
}

#[test]
fn a_head_that_is_too_large_is_not_sent() {
    let reason = "x".repeat(MAX_HEAD);
    let frame = Frame::Cancel { id: 1, code: CancelCode::Failed, reason };
    assert!(matches!(frame.encode(1), Err(FrameError::HeadTooLarge(_))));
    let frame = Frame::Body { id: 1, body: vec![0; MAX_BODY + 1].into(), last: true };
    assert_eq!(frame.encode(1), Err(FrameError::BodyTooLarge(MAX_BODY + 1)));
}

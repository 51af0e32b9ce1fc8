//! Text from a target, made fit to be shown.

/// What a target sent must not steer a terminal, nor turn the direction of what stands around it.
pub(crate) fn harmless(text: &str) -> String {
    let one = |c: char| match c {
        '\n' => c,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(one).collect()
}

/// At most so many characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// JSON text with line breaks and indents between its tokens, which stay as they are: order, numbers, escapes and
/// repeated members are what a failure can be about. What is no JSON stays as it is.
pub(crate) fn indented(text: &str) -> String {
    if text.contains('\n') || serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if in_string {
            out.push(c);
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        match c {
            ' ' | '\t' | '\r' => {}
            '{' | '[' => {
                out.push(c);
                while chars.peek().is_some_and(|next| next.is_ascii_whitespace()) {
                    chars.next();
                }
                match chars.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => out.push(end),
                    None => {
                        depth += 1;
                        line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            '"' => {
                in_string = true;
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    // A body of a thousand brackets is not worth a thousand indents.
    out.extend(std::iter::repeat_n("  ", depth.min(40)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn json_is_indented_and_otherwise_kept() {
        let text = r#"{"a":[1.0,{"b":"x,{\" \\"}], "a":{ },"c":[] }"#;
        let expected = "{\n  \"a\": [\n    1.0,\n    {\n      \"b\": \"x,{\\\" \\\\\"\n    }\n  ],\n  \"a\": {},\n  \"c\": []\n}";
        assert_eq!(indented(text), expected);
        for same in ["not json", "{\"a\":1}}", "{\n\"a\":1}", ""] {
            assert_eq!(indented(same), same);
        }
    }

    #[test]
    fn what_steers_a_terminal_or_turns_text_is_replaced() {
        assert_eq!(harmless("a\u{1b}[31m\u{202e}b\nc\tä"), "a\u{fffd}[31m\u{fffd}b\nc\u{fffd}ä");
    }

    proptest! {
        #[test]
        fn indenting_keeps_the_value(text in "[\\[{\":,\\\\a1 ]{0,12}", name in ".*", items in proptest::collection::vec(".*", 0..4)) {
            let _ = indented(&text);
            let value = serde_json::json!({ name: items, "n": [{}, [], [1.5e3, null]] });
            let shown = indented(&value.to_string());
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }
    }
}

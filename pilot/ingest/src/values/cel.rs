//! Expressions of `%CEL(..)%` in formats of access logs.
//!
//! In: the text of one. Out: why Envoy would refuse it, and with it every listener that has it. What Envoy takes depends on how it was built:
//! no comprehensions, no structs, and only some functions. So this reads a part of the language that is taken for certain, in which each
//! request can be described, and nothing beside it.

use mesh_re2::Re2;

/// Where attributes begin. Another name is taken by Envoy, and never has a value.
#[rustfmt::skip]
const ROOTS: &[&str] = &[
    "connection", "destination", "filter_state", "metadata", "request", "response", "source", "upstream",
    "upstream_filter_state", "xds",
];

/// Functions, each with how many arguments it has.
#[rustfmt::skip]
const FUNCTIONS: &[(&str, usize)] = &[
    ("bool", 1), ("bytes", 1), ("contains", 2), ("double", 1), ("duration", 1), ("dyn", 1), ("endsWith", 2),
    ("int", 1), ("matches", 2), ("re.capture", 2), ("re.extract", 3), ("size", 1), ("startsWith", 2),
    ("timestamp", 1), ("type", 1), ("uint", 1),
];

/// The same, of functions that stand behind a value and a dot.
#[rustfmt::skip]
const METHODS: &[(&str, usize)] = &[
    ("contains", 1), ("endsWith", 1), ("getFullYear", 0), ("getHours", 0), ("getMilliseconds", 0),
    ("getMinutes", 0), ("getSeconds", 0), ("matches", 1), ("size", 0), ("startsWith", 1),
];

const OPERATORS: &[&str] = &["||", "&&", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%"];

/// No names, not even behind a dot.
const WORDS: &[&str] = &["false", "in", "null", "true"];

/// Expressions in expressions. Nobody reads more, and Envoy has a bound of its own.
const MAX_DEPTH: usize = 16;

/// Why Envoy may refuse `expression`.
pub(super) fn cel_fault(expression: &str) -> Option<String> {
    let mut reader = Reader { rest: expression, depth: 0 };
    let read = reader.expression();
    match read {
        Ok(_) if reader.rest.trim_start_matches(' ').is_empty() => None,
        Ok(_) => Some(reader.unexpected()),
        Err(fault) => Some(fault),
    }
}

/// What an operand is, as far as it matters to what stands around it.
enum Operand {
    /// It ends in a field's name, which `has` asks for.
    Field,
    /// A text, as it is meant.
    Text(String),
    Other,
}

type Read<T> = Result<T, String>;

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn unexpected(&self) -> String {
        match self.rest.chars().take(12).collect::<String>() {
            shown if shown.is_empty() => "the expression of %CEL% ends too early".to_owned(),
            shown => format!("%CEL% is not understood from `{shown}` on"),
        }
    }

    /// Passes over `token`, if it is what comes.
    fn take(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start_matches(' ');
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) -> Read<()> {
        if self.take(token) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// The characters that come next and are such, which may be none.
    fn take_while(&mut self, is: impl Fn(u8) -> bool) -> &'a str {
        let end = self.rest.bytes().position(|byte| !is(byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn name(&mut self) -> Option<&'a str> {
        self.rest = self.rest.trim_start_matches(' ');
        let digit = self.rest.starts_with(|first: char| first.is_ascii_digit());
        let name =
            if digit { "" } else { self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_') };
        Some(name).filter(|name| !name.is_empty())
    }

    fn expression(&mut self) -> Read<Operand> {
        if self.depth == MAX_DEPTH {
            return Err(format!("%CEL% has more than {MAX_DEPTH} expressions in each other"));
        }
        self.depth += 1;
        let mut operand = self.operands()?;
        if self.take("?") {
            self.operands()?;
            self.expect(":")?;
            self.expression()?;
            operand = Operand::Other;
        }
        self.depth -= 1;
        Ok(operand)
    }

    /// Operators bind more or less, but each may stand between any two operands.
    fn operands(&mut self) -> Read<Operand> {
        let mut operand = self.unary()?;
        while self.operator() {
            self.unary()?;
            operand = Operand::Other;
        }
        Ok(operand)
    }

    fn operator(&mut self) -> bool {
        if OPERATORS.iter().any(|operator| self.take(operator)) {
            return true;
        }
        let before = self.rest;
        let is_in = self.name() == Some("in");
        if !is_in {
            self.rest = before;
        }
        is_in
    }

    fn unary(&mut self) -> Read<Operand> {
        let sign = ["!", "-"].into_iter().find(|sign| self.take(sign));
        while sign.is_some_and(|sign| self.take(sign)) {}
        let operand = self.member()?;
        Ok(if sign.is_some() { Operand::Other } else { operand })
    }

    fn member(&mut self) -> Read<Operand> {
        let mut operand = self.primary()?;
        loop {
            if self.take("[") {
                self.expression()?;
                self.expect("]")?;
                operand = Operand::Other;
            } else if self.take(".") {
                let name = self.name().filter(|name| !WORDS.contains(name));
                let name = name.ok_or_else(|| self.unexpected())?;
                operand = Operand::Field;
                if self.take("(") {
                    let arguments = self.list(")")?;
                    check_call(METHODS, name, &arguments)?;
                    operand = Operand::Other;
                }
            } else {
                return Ok(operand);
            }
        }
    }

    fn primary(&mut self) -> Read<Operand> {
        if self.take("(") {
            let inner = self.expression()?;
            self.expect(")")?;
            // In parentheses a text is one still.
            return Ok(inner);
        }
        if self.take("[") {
            return self.list("]").map(|_| Operand::Other);
        }
        if self.rest.starts_with(|first: char| first.is_ascii_digit()) {
            return self.number();
        }
        if self.rest.starts_with(['\'', '"']) || self.rest.starts_with("r'") || self.rest.starts_with("r\"") {
            return self.text().map(Operand::Text);
        }
        match self.name() {
            None | Some("in") => Err(self.unexpected()),
            Some("true" | "false" | "null") => Ok(Operand::Other),
            Some("re") => {
                self.expect(".")?;
                let name = self.name().ok_or_else(|| self.unexpected())?;
                self.expect("(")?;
                self.call(&format!("re.{name}"))
            }
            Some(name) if self.take("(") => self.call(name),
            Some(name) if ROOTS.contains(&name) => Ok(Operand::Other),
            Some(name) => Err(format!("%CEL% has `{name}`, which is none of {}", ROOTS.join(", "))),
        }
    }

    /// What follows a function's name and the parenthesis.
    fn call(&mut self, name: &str) -> Read<Operand> {
        let arguments = self.list(")")?;
        match (name, &*arguments) {
            ("has", [Operand::Field]) => {}
            ("has", _) => {
                return Err("has(..) in %CEL% is about a field, as in has(request.referer)".to_owned());
            }
            _ => check_call(FUNCTIONS, name, &arguments)?,
        }
        Ok(Operand::Other)
    }

    fn list(&mut self, end: &str) -> Read<Vec<Operand>> {
        let mut operands = Vec::new();
        if self.take(end) {
            return Ok(operands);
        }
        loop {
            operands.push(self.expression()?);
            if self.take(end) {
                return Ok(operands);
            }
            self.expect(",")?;
        }
    }

    /// A number that any of the types can hold.
    fn number(&mut self) -> Read<Operand> {
        let whole = self.take_while(|byte| byte.is_ascii_digit());
        let is_fraction =
            self.rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if is_fraction {
            self.rest = &self.rest[1..];
            self.take_while(|byte| byte.is_ascii_digit());
        }
        let ends = !self.rest.starts_with(|next: char| next.is_alphanumeric() || next == '_' || next == '.');
        match whole.len() <= 18 && ends {
            true => Ok(Operand::Other),
            false => Err(format!("%CEL% has a number that is not plain: `{whole}{}`", self.rest)),
        }
    }

    /// A text in quotes of either kind; behind an `r`, backslashes mean themselves.
    fn text(&mut self) -> Read<String> {
        let raw = self.take("r");
        let mut characters = self.rest.chars();
        let quote = characters.next();
        let mut text = String::new();
        loop {
            match characters.next() {
                end if end == quote => break,
                Some('\\') if !raw => match characters.next() {
                    Some(escaped @ ('\\' | '\'' | '"')) => text.push(escaped),
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    _ => return Err("a backslash in a text of %CEL% is written twice".to_owned()),
                },
                // Whether one before a quote ends a raw text is read in two ways.
                Some('\\') if characters.clone().next() == quote => return Err(self.unexpected()),
                Some(character) if !character.is_control() => text.push(character),
                _ => return Err("a text in %CEL% has no end".to_owned()),
            }
        }
        self.rest = characters.as_str();
        // Three quotes begin another kind of text.
        if self.rest.chars().next() == quote { Err(self.unexpected()) } else { Ok(text) }
    }
}

fn check_call(known: &[(&str, usize)], name: &str, arguments: &[Operand]) -> Read<()> {
    match known.iter().find(|(function, _)| *function == name) {
        Some((_, count)) if *count != arguments.len() => {
            return Err(format!("{name}(..) in %CEL% has {count} arguments, not {}", arguments.len()));
        }
        Some(_) => {}
        None => return Err(format!("{name}(..) in %CEL% is no function that Envoy is known to have")),
    }
    match arguments.last() {
        Some(Operand::Text(pattern)) if name == "matches" => match Re2::new(pattern) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("`{pattern}` in %CEL% is not a regular expression of RE2: {error}")),
        },
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;

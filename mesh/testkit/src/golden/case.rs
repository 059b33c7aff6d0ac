//! In: the text of a `.in.yaml`. Out: the options of the case and the input proper, at the lines it has in the file.

use std::{fs, io, path::Path};

use serde::de::DeserializeOwned;

/// The line that makes a first document the options of the case.
const MARK: &str = "kind: Case";

/// One case: an input, and options on how to treat it.
#[derive(Debug)]
pub struct Case {
    /// The path below the directory, without the suffix: `canary`, or `subsets/canary`.
    pub name: String,
    /// What users write. The options are blanked out and not cut out, so that line numbers in problems fit the file.
    pub input: String,
    options: String,
}

impl Case {
    pub(super) fn read(directory: &Path, path: &Path, suffix: &str) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        let name = path.strip_prefix(directory).unwrap_or(path).to_string_lossy();
        Ok(Self::split(name.strip_suffix(suffix).unwrap_or(&name), &text))
    }

    fn split(name: &str, text: &str) -> Self {
        let first = first_document(text);
        let whole = || Self { name: name.to_owned(), input: text.to_owned(), options: String::new() };
        let Some(first) = first.filter(|first| first.lines().any(|line| line.trim_end() == MARK)) else {
            return whole();
        };
        let options: Vec<&str> =
            first.lines().filter(|line| line.trim_end() != MARK && *line != "---").collect();
        let blank = "\n".repeat(first.lines().count());
        Self { name: name.to_owned(), input: blank + &text[first.len()..], options: options.join("\n") }
    }

    /// The options of the case, or the default where it has none. Put `deny_unknown_fields` on `T`: a misspelt option
    /// would test nothing. `kind` is not a field of it.
    ///
    /// # Panics
    /// When they do not parse; the test then shows it as the failure of this case.
    pub fn options<T: DeserializeOwned + Default>(&self) -> T {
        let blank =
            self.options.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
        if blank {
            return T::default();
        }
        serde_saphyr::from_str(&self.options)
            .unwrap_or_else(|error| panic!("the options in `{MARK}`: {error}"))
    }
}

/// The first document, without the `---` that ends it. Comments, blank lines and one `---` may stand before it.
fn first_document(text: &str) -> Option<&str> {
    let mut end = 0;
    let mut begun = false;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end();
        if content == "---" && begun {
            return Some(&text[..end]);
        }
        begun |= !content.is_empty() && !content.starts_with('#');
        end += line.len();
    }
    Some(text).filter(|_| begun)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Options {
        proxy: Option<String>,
    }

    #[test]
    fn options_are_split_off_and_lines_keep_their_numbers() {
        let text = "# why\nkind: Case\nproxy: sidecar\n---\nkind: Service\n---\nkind: Pod\n";
        let case = Case::split("a", text);
        assert_eq!(case.input, "\n\n\n---\nkind: Service\n---\nkind: Pod\n");
        assert_eq!(case.options::<Options>(), Options { proxy: Some("sidecar".into()) });
    }

    #[test]
    fn without_options_the_input_is_the_file() {
        for text in ["kind: Service\n", "---\nkind: Service\n---\nkind: Case\n", ""] {
            let case = Case::split("a", text);
            assert_eq!(case.input, text);
            assert_eq!(case.options::<Options>(), Options::default());
        }
        assert_eq!(Case::split("a", "kind: Case\n---\nkind: Pod\n").options::<Options>(), Options::default());
    }

    #[test]
    #[should_panic(expected = "the options in `kind: Case`")]
    fn a_misspelt_option_fails() {
        Case::split("a", "kind: Case\nprxy: x\n---\nkind: Pod\n").options::<Options>();
    }
}

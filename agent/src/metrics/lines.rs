//! Lines of metrics, put into the form that the page needs.
//!
//! In: pieces of text, cut anywhere. Out: whole lines, renamed, without the line that ends a page: others come after it. No IO.

/// A line that is longer is none.
const LONGEST: usize = 256 * 1024;

/// Lines in the making.
#[derive(Debug)]
pub(super) struct Lines {
    /// A beginning of names, and what stands there instead.
    renamed: Option<(&'static str, &'static str)>,
    begun: Vec<u8>,
}

impl Lines {
    pub(super) fn new(renamed: Option<(&'static str, &'static str)>) -> Self {
        Self { renamed, begun: Vec::new() }
    }

    /// The lines that are whole now.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<Vec<u8>, String> {
        let mut whole = Vec::with_capacity(self.begun.len() + piece.len());
        let mut rest = piece;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end + 1);
            rest = after;
            if self.begun.is_empty() {
                self.write(line, &mut whole);
            } else {
                let mut begun = std::mem::take(&mut self.begun);
                begun.extend_from_slice(line);
                self.write(&begun, &mut whole);
            }
        }
        self.begun.extend_from_slice(rest);
        if self.begun.len() > LONGEST {
            return Err("it is one long line".to_owned());
        }
        Ok(whole)
    }

    /// What is left at the end: a last line without an end of its own.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let mut last = std::mem::take(&mut self.begun);
        let mut whole = Vec::new();
        if !last.is_empty() {
            last.push(b'\n');
            self.write(&last, &mut whole);
        }
        whole
    }

    fn write(&self, line: &[u8], to: &mut Vec<u8>) {
        if line.trim_ascii_end() == b"# EOF" {
            return;
        }
        let Some((from, into)) = self.renamed else { return to.extend_from_slice(line) };
        // Samples begin with the name, and what describes them has it third.
        let before = [&b"# TYPE "[..], b"# HELP "]
            .into_iter()
            .find(|word| line.starts_with(word))
            .map_or(0, <[u8]>::len);
        let (head, name) = line.split_at(before);
        match name.strip_prefix(from.as_bytes()) {
            Some(rest) => {
                [head, into.as_bytes(), rest].into_iter().for_each(|part| to.extend_from_slice(part))
            }
            None => to.extend_from_slice(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "# TYPE envoy_istio_requests_total counter\nenvoy_istio_requests_total{a=\"envoy_istio_\"} 3\n\
                        # HELP envoy_istio_x About envoy_istio_x\nenvoy_server_live 1\n# EOF\nlast 1";
    const RENAMED: &str = "# TYPE istio_requests_total counter\nistio_requests_total{a=\"envoy_istio_\"} 3\n\
                           # HELP istio_x About envoy_istio_x\nenvoy_server_live 1\nlast 1\n";

    fn through(lines: &mut Lines, pieces: &[&[u8]]) -> String {
        let mut whole: Vec<u8> = pieces.iter().flat_map(|piece| lines.push(piece).unwrap()).collect();
        whole.extend(lines.finish());
        String::from_utf8(whole).unwrap()
    }

    #[test]
    fn names_are_changed_and_nothing_else() {
        assert_eq!(through(&mut Lines::new(Some(("envoy_istio_", "istio_"))), &[TEXT.as_bytes()]), RENAMED);
        assert_eq!(through(&mut Lines::new(None), &[b"envoy_istio_x 1\r\n# EOF\r\n"]), "envoy_istio_x 1\r\n");
    }

    #[test]
    fn a_line_without_end_is_none() {
        let mut lines = Lines::new(None);
        let piece = [b'x'; 64 * 1024];
        assert!((0..5).any(|_| lines.push(&piece).is_err()));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_text_is_cut(cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8)) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(TEXT.len() + 1)).collect();
            cuts.extend([0, TEXT.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &TEXT.as_bytes()[cut[0]..cut[1]]).collect();
            prop_assert_eq!(through(&mut Lines::new(Some(("envoy_istio_", "istio_"))), &pieces), RENAMED);
        }
    }
}

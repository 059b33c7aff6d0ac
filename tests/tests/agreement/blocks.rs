//! Blocks of configuration as strategies of proptest: what may be there, how often, and what it may say.

use proptest::{option::weighted, prelude::*, sample::select};
use serde_json::{Map, Value, json};

/// A strategy of some block.
pub type Block = BoxedStrategy<Value>;

/// One of these; the first is the simplest.
pub fn of<T>(values: &'static [T]) -> Block
where
    T: Clone + std::fmt::Debug + Into<Value> + 'static,
{
    select(values).prop_map(Into::into).boxed()
}

/// Always this.
pub fn always(value: Value) -> Block {
    Just(value).boxed()
}

/// It, or nothing, in so many of a hundred cases.
pub fn sometimes(percent: u32, block: Block) -> BoxedStrategy<Option<Value>> {
    match percent {
        100 => block.prop_map(Some).boxed(),
        _ => weighted(f64::from(percent) / 100.0, block).boxed(),
    }
}

/// A block with these fields, each in so many of a hundred cases.
pub fn fields(fields: Vec<(&'static str, u32, Block)>) -> Block {
    let names: Vec<&str> = fields.iter().map(|(name, ..)| *name).collect();
    let values: Vec<_> = fields.into_iter().map(|(_, percent, value)| sometimes(percent, value)).collect();
    let block = move |values: Vec<Option<Value>>| {
        let fields = names.iter().zip(values).filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
        Value::Object(fields.collect())
    };
    values.prop_map(block).boxed()
}

/// `{ name: value }`, of a name among these.
pub fn named(names: &'static [&'static str], value: Block) -> Block {
    (select(names), value).prop_map(|(name, value)| json!({ name: value })).boxed()
}

/// So many items.
pub fn list(item: Block, sizes: std::ops::RangeInclusive<usize>) -> Block {
    proptest::collection::vec(item, sizes).prop_map(Value::from).boxed()
}

/// Some of these, in their order; the default where that is none.
pub fn some_of(values: &'static [&'static str], default: &'static str) -> Block {
    let all = proptest::sample::subsequence(values, 0..=values.len());
    all.prop_map(move |some| json!(if some.is_empty() { vec![default] } else { some })).boxed()
}

/// One of several blocks, so often.
pub fn either(blocks: Vec<(u32, Block)>) -> Block {
    proptest::strategy::Union::new_weighted(blocks).boxed()
}

/// All fields of several blocks.
pub fn together(blocks: impl Strategy<Value = Vec<Value>> + 'static) -> Block {
    let merge = |mut all: Map<String, Value>, block: Value| {
        if let Value::Object(fields) = block {
            all.extend(fields);
        }
        all
    };
    blocks.prop_map(move |blocks| Value::Object(blocks.into_iter().fold(Map::new(), merge))).boxed()
}

;; A component of another world: valid, but it exports no `tools`, so it is no adapter.
(component
  (core module $m
    (func (export "answer") (result i32) i32.const 42))
  (core instance $i (instantiate $m))
  (func (export "answer") (result s32) (canon lift (core func $i "answer"))))

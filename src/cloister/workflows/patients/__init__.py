"""What a patient may ask: what came of my data, and that it ends."""

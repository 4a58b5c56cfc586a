import { Component, type ReactNode } from "react";
import { Button } from "../parts/form";
import { Note } from "../parts/note";

interface Props {
  /** Another page is another try. */
  of: string;
  children: ReactNode;
}

/** Keeps what broke to itself: the rest of the page stays. */
export class Boundary extends Component<Props, { broken: string | null }> {
  override state = { broken: null };

  static getDerivedStateFromError(error: unknown) {
    return { broken: error instanceof Error ? error.message : String(error) };
  }

  override componentDidUpdate(before: Props) {
    if (before.of !== this.props.of && this.state.broken !== null)
      this.setState({ broken: null });
  }

  override render() {
    if (this.state.broken === null) return this.props.children;
    return (
      <>
        <h1>This page broke</h1>
        <Note kind="bad">{this.state.broken}</Note>
        <Button onClick={() => window.location.reload()}>Load it again</Button>
      </>
    );
  }
}

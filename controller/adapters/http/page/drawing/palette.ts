import type { ConnectionState } from '../../../../view/graph-shape.ts';
import { stateLooks } from './state-looks.ts';

/** The colours of the style sheet that the picture needs, as they are in the theme of the moment. */
export interface Palette {
  readonly background: string;
  readonly text: string;
  readonly quietText: string;
  readonly node: string;
  readonly nodeRim: string;
  readonly closedNode: string;
  readonly faint: string;
  readonly groupFill: string;
  readonly groupRim: string;
  readonly apartFill: string;
  readonly apartRim: string;
  readonly focus: string;
  readonly font: string;
  readonly states: Readonly<Record<ConnectionState, string>>;
}

export function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const color = (name: string) => style.getPropertyValue(name).trim();
  const states = Object.entries(stateLooks).map(([state, look]) => [state, color(look.color)]);
  return {
    background: color('--picture'),
    text: color('--text'),
    quietText: color('--quiet'),
    node: color('--node'),
    nodeRim: color('--node-rim'),
    closedNode: color('--node-closed'),
    faint: color('--faint'),
    groupFill: color('--group-fill'),
    groupRim: color('--group-rim'),
    apartFill: color('--apart-fill'),
    apartRim: color('--apart-rim'),
    focus: color('--focus'),
    font: style.fontFamily,
    states: Object.fromEntries(states) as Palette['states'],
  };
}

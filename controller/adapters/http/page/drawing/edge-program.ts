import { EdgeProgram } from 'sigma/rendering';
import type { ProgramInfo } from 'sigma/rendering';
import type { EdgeDisplayData, NodeDisplayData, RenderParams } from 'sigma/types';
import { floatColor } from 'sigma/utils';
import { cameraSource, cameraUniforms, numbers, packedColor, setCamera } from './camera-program.ts';

/** What sigma hands on of an edge, beside what it knows itself. */
export interface DrawnEdgeData extends EdgeDisplayData {
  /** Index of the line style: see `lineStyles`. */
  readonly pattern: number;
  /** Index of the symbol in the middle; 0 for none. */
  readonly symbol: number;
  /** Pixels to the right of the straight line, as seen from the source. */
  readonly shift: number;
  readonly arrow: boolean;
  readonly symbolColor: string;
}

const vertexShader = /* glsl */ `
attribute vec4 a_id;
attribute vec4 a_color;
attribute vec4 a_symbolColor;
attribute vec2 a_start;
attribute vec2 a_end;
attribute vec2 a_radii;
attribute vec4 a_look;
attribute float a_arrow;
attribute vec2 a_corner;

${cameraSource}
varying vec4 v_color;
varying vec4 v_symbolColor;
varying vec2 v_place;
varying vec3 v_ends;
varying vec4 v_look;
varying vec2 v_middle;

const float halfWidth = 9.0;

void main() {
  vec2 start = placed(a_start);
  vec2 end = placed(a_end);
  vec2 way = end - start;
  float len = max(length(way), 0.001);
  vec2 along = way / len;
  vec2 across = vec2(along.y, -along.x);
  vec2 radii = min(vec2(radiusOf(a_radii.x), radiusOf(a_radii.y)), vec2(len * 0.5));
  start += across * a_look.w;
  end += across * a_look.w;
  vec2 position = mix(start, end, a_corner.x) + across * a_corner.y * halfWidth;
  gl_Position = projected(position);

  v_place = vec2(a_corner.x * len, a_corner.y * halfWidth);
  v_ends = vec3(radii.x + 1.5, len - radii.y - 1.5, a_arrow);
  v_look = a_look;
  float middle = (v_ends.x + v_ends.y) * 0.5 / len;
  v_middle = (mix(start, end, middle) + u_viewport * 0.5) * u_pixelRatio;
  v_symbolColor = painted(a_symbolColor);
  v_color = shown(a_id, a_color);
}
`;

const fragmentShader = /* glsl */ `
precision highp float;

varying vec4 v_color;
varying vec4 v_symbolColor;
varying vec2 v_place;
varying vec3 v_ends;
varying vec4 v_look;
varying vec2 v_middle;

uniform float u_pixelRatio;

float inked(float at, float on, float off) {
  float place = mod(at, on + off);
  return clamp(min(place, on - place) + 0.5, 0.0, 1.0);
}

float stroke(float away, float halfWidth) {
  return clamp(halfWidth - abs(away) + 0.5, 0.0, 1.0);
}

void main() {
  float at = v_place.x - v_ends.x;
  float len = v_ends.y - v_ends.x;
  if (at < 0.0 || at > len) discard;

  #ifdef PICKING_MODE
  if (abs(v_place.y) > max(5.0, v_look.x)) discard;
  gl_FragColor = v_color;
  #else
  float halfWidth = v_look.x * 0.5;
  float pattern = v_look.y;
  float symbol = v_look.z;
  float headLength = v_ends.z * min(7.0 + v_look.x, len * 0.5);
  float ink = stroke(v_place.y, halfWidth);
  if (pattern > 0.5 && pattern < 1.5) ink *= inked(at, 7.0, 5.0);
  else if (pattern > 1.5 && pattern < 2.5) ink *= inked(at, 2.0, 4.0);
  else if (pattern > 2.5 && pattern < 3.5) ink *= max(inked(at, 9.0, 9.0), inked(at - 12.5, 2.0, 16.0));
  else if (pattern > 3.5) ink = max(stroke(v_place.y - 2.0, 0.6), stroke(v_place.y + 2.0, 0.6));
  if (len - at < headLength) ink = 0.0;
  float head = (len - at) / max(headLength, 0.001);
  if (v_ends.z > 0.5 && head <= 1.0) ink = clamp(head * (3.2 + halfWidth) - abs(v_place.y) + 0.5, 0.0, 1.0);
  vec4 color = v_color * ink;

  if (symbol > 0.5 && len > 44.0) {
    vec2 from = (gl_FragCoord.xy - v_middle) / u_pixelRatio;
    float away = length(from);
    float disc = clamp(7.5 - away + 0.5, 0.0, 1.0);
    float mark = 0.0;
    if (symbol < 1.5) mark = clamp(3.1 - away, 0.0, 1.0);
    else if (symbol < 2.5) {
      mark = max(stroke(from.x, 0.9) * step(-1.4, from.y) * step(from.y, 4.6), stroke(from.x, 1.0) * step(-4.6, from.y) * step(from.y, -2.9));
    } else if (symbol < 3.5) {
      mark = max(stroke((from.x - from.y) * 0.7071, 0.9), stroke((from.x + from.y) * 0.7071, 0.9)) * step(away, 5.0);
    } else if (symbol < 4.5) {
      mark = max(stroke(from.x - 2.2, 0.9), stroke(from.x + 2.2, 0.9)) * step(abs(from.y), 4.0);
    } else {
      mark = max(stroke(from.x, 0.9) * step(abs(from.y), 4.4), stroke(from.y, 0.9) * step(abs(from.x), 4.4));
    }
    vec4 badge = mix(v_color, v_symbolColor, mark);
    color = mix(color, badge, disc);
  }
  if (color.a < 0.01) discard;
  gl_FragColor = color;
  #endif
}
`;

/** Arrows with line styles and symbols of constant size on the screen; sigma's own know only colour and thickness. */
export class StateEdgeProgram extends EdgeProgram<(typeof cameraUniforms)[number]> {
  getDefinition() {
    return {
      VERTICES: 6,
      VERTEX_SHADER_SOURCE: vertexShader,
      FRAGMENT_SHADER_SOURCE: fragmentShader,
      METHOD: WebGLRenderingContext.TRIANGLES,
      UNIFORMS: cameraUniforms,
      ATTRIBUTES: [
        numbers('a_start', 2),
        numbers('a_end', 2),
        numbers('a_radii', 2),
        numbers('a_look', 4),
        numbers('a_arrow', 1),
        packedColor('a_color'),
        packedColor('a_symbolColor'),
        packedColor('a_id'),
      ],
      CONSTANT_ATTRIBUTES: [numbers('a_corner', 2)],
      CONSTANT_DATA: [
        [0, 1],
        [0, -1],
        [1, 1],
        [1, 1],
        [0, -1],
        [1, -1],
      ],
    };
  }

  processVisibleItem(
    id: number,
    index: number,
    source: NodeDisplayData,
    target: NodeDisplayData,
    edge: EdgeDisplayData,
  ): void {
    const { pattern, symbol, shift, arrow, size, color, symbolColor } = edge as DrawnEdgeData;
    const values = [
      source.x,
      source.y,
      target.x,
      target.y,
      source.size,
      target.size,
      size,
      pattern,
      symbol,
      shift,
      arrow ? 1 : 0,
      floatColor(color),
      floatColor(symbolColor),
      id,
    ];
    this.array.set(values, index);
  }

  setUniforms(params: RenderParams, info: ProgramInfo<(typeof cameraUniforms)[number]>): void {
    setCamera(params, info);
  }
}

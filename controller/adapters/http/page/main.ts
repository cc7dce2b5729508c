import { Announcer } from './announcer.ts';
import { showFilters } from './bars/filter-bar.ts';
import { showHeader } from './bars/header.ts';
import { applyTheme } from './bars/theme.ts';
import { ApiClient } from './client/api-client.ts';
import { byId } from './dom.ts';
import { PageControl } from './page-control.ts';
import { PageState } from './page-state.ts';
import { showPanel } from './panel/panel.ts';
import { showPicture } from './picture-view.ts';
import { followAddress } from './page-address.ts';
import { showTables } from './tables/table-view.ts';

const api = new ApiClient();
const state = new PageState();
const control = new PageControl(api, state);
const announcer = new Announcer(byId('said'));

let restyle = () => {};
const theme = applyTheme(() => restyle());
const worker = document.querySelector<HTMLMetaElement>('meta[name=layout-worker]')?.content ?? '';
showHeader(byId('header'), state, control, announcer, theme.toggle);
showFilters(byId('filters'), state, control);
showPanel(byId('panel'), api, state, control, announcer);
restyle = showPicture(byId('picture'), worker, state, control, announcer).restyle;
showTables(byId('tables'), state, control);
followAddress(state, control);
void control.start();
